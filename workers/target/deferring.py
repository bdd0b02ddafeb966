"""Messages that cannot be run here and now: their targets wait in the records, and are sent again later.

Nothing waits in the broker: the message is acknowledged, and the sweeper sends another when the time has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from underbutler import metrics
from underbutler.errors import MessageError
from underbutler.model.job import TargetState
from underbutler.pipe.binding import references
from underbutler.telemetry.logs import get_logger
from workers.intake.fitness import Unfit, admit

from .butler_session import UnreadableError, decoded
from .retrying import backoff_s
from .waiting_for_records import retry_until_available

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.model.message import Element, TargetMessage

__all__ = ["DeferredError", "check_fitness", "defer", "readable"]

log = get_logger(__name__)


class DeferredError(Exception):
    """The message is spent, and its target waits in the records with a reason; or is held with it.

    Parameters
    ----------
    text
        The same for people.
    state
        What the target is now.
    """

    def __init__(self, text: str, state: TargetState) -> None:
        super().__init__(text)
        self.state = state


def defer(
    message: TargetMessage,
    context: ServiceContext,
    *,
    kind: Literal["unfit", "unreadable", "breaker"],
    reason: str,
    delay_s: float,
    hold_after_s: float | None = None,
) -> DeferredError:
    """Let a target wait, and return the error that says so.

    Parameters
    ----------
    message
        The target as it came.
    context
        What this process has open.
    kind, reason
        Why, for programs and for people.
    delay_s
        Nobody claims it before, seconds from now.
    hold_after_s
        The target is held when it has waited for longer than this, in seconds.
    """
    envelope = message.envelope
    state = retry_until_available(
        context.jobs.waiting.defer,
        envelope.target,
        envelope.digest,
        envelope.send_no,
        reason=reason,
        delay_s=delay_s,
        hold_after_s=hold_after_s,
    )
    metrics.DEFERRED.count(reason=kind)
    log.warning("target_deferred", reason=reason, seconds=round(delay_s, 1), state=str(state))
    words = "is held" if state is TargetState.HELD else "waits"
    return DeferredError(f"Target {envelope.target} {words}: {reason}", state)


def check_fitness(message: TargetMessage, context: ServiceContext) -> None:
    """Defer a target that this process is not fit to take.

    Raises
    ------
    DeferredError
        Another process may take it.
    """
    try:
        admit(context.settings)
    except Unfit as unfit:
        settings = context.settings
        delay_s = backoff_s(0, base_s=settings.retry_base_s, cap_s=settings.retry_cap_s)
        raise defer(message, context, kind="unfit", reason=unfit.reason, delay_s=delay_s) from unfit


def readable(message: TargetMessage, context: ServiceContext) -> Element:
    """Decode what a message carries, if this worker can read it.

    Raises
    ------
    DeferredError
        If it is of a version, or of a dimension universe, that this worker cannot read and another may: the target
        waits, and is held when for long none could. If nobody can read it, it is held at once: a message of a target
        that the records call waiting would be sent again for ever.
    """
    settings = context.settings
    try:
        element = decoded(message)
        _check_universes(element, context)
    except UnreadableError as error:
        words, wait_s = str(error), settings.unknown_wait_s
        delay_s = settings.retry_base_s
        raise defer(message, context, kind="unreadable", reason=words, delay_s=delay_s, hold_after_s=wait_s) from error
    except MessageError as error:
        words = f"It does not decode: {error}"
        raise defer(message, context, kind="unreadable", reason=words, delay_s=0.0, hold_after_s=0.0) from error
    return element


def _check_universes(element: Element, context: ServiceContext) -> None:
    """Compare the universe of each data ID with that of its repository as this worker reads it."""
    from lsst.daf.butler.registry.versions import IncompatibleVersionError, ManagerMismatchError, MissingManagerError

    for ref in references(element):
        if ref.universe is None:
            continue
        try:
            here = context.universe(ref.repo, writeable=ref.run is not None and ref.out == ref.repo)
        except (IncompatibleVersionError, ManagerMismatchError, MissingManagerError) as error:
            raise UnreadableError(f"This worker's Butler cannot read the repository {ref.repo!r}: {error}.") from error
        if here is not None and here != ref.universe:
            raise UnreadableError(
                f"Its data ID is of the universe {_named(ref.universe)}; this worker reads {ref.repo!r} in "
                f"{_named(here)}."
            )


def _named(universe: tuple[str, int]) -> str:
    return f"{universe[0]} {universe[1]}"
