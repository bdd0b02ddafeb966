"""The broker, its clock and memory, and the queues of targets and of notices in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from underbutler.annex.backlogs import ConsumerQueue, consumer_queues
from underbutler.broker import connection, is_redis, queue_depth, shown_address, translate_broker_errors
from underbutler.errors import BrokerRefusesError, BrokerUnavailableError
from underbutler.settings import Settings, variable_of

from .asking import Answer, NoAnswerError
from .clocks import clock_findings
from .findings import Finding, PartState, State, away, finding_of

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ["BrokerAnswer", "ask_broker", "broker_state"]

NAME: Final = "broker"
CONNECT_S: Final = 1.5
"""How long a connection may take to come about, in seconds."""
FULL: Final = 0.95
"""From this share of its memory on a Redis is nearly full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAnswer:
    """What the broker says.

    Parameters
    ----------
    depths
        Messages that wait and that workers have, of each queue of targets.
    consumers
        The queues of registered consumers of notices.
    unlisted
        Why the broker does not tell which they are; empty where it does.
    clock, asked_at
        The broker's clock and ours at one moment; None where it tells none.
    used_bytes, most_bytes
        Memory that it uses and may use; 0 where it has no limit or does not tell.
    """

    depths: dict[str, int] = field(default_factory=dict)
    consumers: tuple[ConsumerQueue, ...] = ()
    unlisted: str = ""
    clock: float | None = None
    asked_at: float = 0.0
    used_bytes: int = 0
    most_bytes: int = 0


def ask_broker(settings: Settings, queues: Sequence[str]) -> BrokerAnswer:
    """Ask the broker.

    Parameters
    ----------
    settings
        Which one.
    queues
        Queues of targets whose messages are counted.

    Raises
    ------
    BrokerUnavailableError
        If it does not answer, or refuses.
    """
    with _open(settings) as link:
        depths = {queue: queue_depth(link, settings, queue).ready for queue in queues}
        try:
            consumers, unlisted = tuple(consumer_queues(link, settings)), ""
        except BrokerRefusesError:
            raise
        except BrokerUnavailableError as error:
            consumers, unlisted = (), str(error)
        with translate_broker_errors(settings):
            more = _asked_of_redis(link) if is_redis(settings) else {}
        return BrokerAnswer(depths=depths, consumers=consumers, unlisted=unlisted, **more)


def broker_state(settings: Settings, answer: Answer[BrokerAnswer]) -> tuple[PartState, BrokerAnswer | None]:
    """Return how the broker is, and what it says."""
    where = shown_address(settings)
    try:
        told = answer.get()
    except NoAnswerError as error:
        cure = f"Look at that server and the network between, or correct {variable_of('broker_url')}."
        finding = Finding(about=NAME, what=f"The broker at {where} gives {error}.", cure=cure, code=3)
        return away(NAME, where, finding), None
    except BrokerUnavailableError as error:
        return away(NAME, where, finding_of(NAME, error)), None
    waiting = ", ".join(f"{queue} {number}" for queue, number in sorted(told.depths.items()))
    state = PartState(
        name=NAME,
        state=State.ANSWERS,
        told=f"{where}; messages waiting: {waiting}" if waiting else where,
        address=where,
        findings=tuple(_findings(where, told)),
        facts={"queues": dict(sorted(told.depths.items()))},
    )
    return state, told


def _findings(where: str, told: BrokerAnswer) -> Iterator[Finding]:
    yield from clock_findings(NAME, f"the broker at {where}", told.clock, told.asked_at)
    if told.most_bytes and told.used_bytes >= FULL * told.most_bytes:
        share = 100 * told.used_bytes / told.most_bytes
        yield Finding(
            about=NAME,
            what=f"The broker at {where} uses {share:.0f} % of the memory that it may use.",
            why="A full one takes no messages.",
            cure="Give it more memory (maxmemory), or let workers and consumers empty it.",
        )


@contextmanager
def _open(settings: Settings) -> Iterator[Connection]:
    """Open a connection, tried once."""
    link = connection(settings, connect_s=CONNECT_S)
    try:
        with translate_broker_errors(settings):
            link.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        yield link
    finally:
        link.release()


def _asked_of_redis(link: Connection) -> dict[str, Any]:
    """Ask what not every user may: its clock, and its memory."""
    import redis

    channel: Any = link.default_channel
    client = redis.Redis(connection_pool=channel.pool)
    told: dict[str, Any] = {}
    try:
        seconds, micros = client.time()
        told |= {"clock": seconds + micros / 1e6, "asked_at": time.time()}
        memory: Any = client.info("memory")
        told |= {"used_bytes": int(memory["used_memory"]), "most_bytes": int(memory.get("maxmemory") or 0)}
    except redis.exceptions.NoPermissionError:
        pass  # the rights that a user needs do not hold these
    return told
