"""How many notices wait for each registered consumer, as metrics: the broker is asked when Prometheus asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import BrokerUnavailableError
from underbutler.metrics import PREFIX
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from underbutler.annex import ConsumerQueue
    from underbutler.settings import Settings

__all__ = ["NoticesCollector", "ask_consumers"]

log = get_logger(__name__)

KEPT_S: Final = 5.0
"""An answer is good for so long, in seconds."""
CONNECT_S: Final = 1.5
"""How long a connection may take to come about, in seconds: Prometheus waits for the answer."""


class NoticesCollector:
    """Asks which consumers of notices are registered, one asker at a time; a broker that is away tells nothing.

    Parameters
    ----------
    ask
        Returns their queues; raises `BrokerUnavailableError`.
    """

    def __init__(self, ask: Callable[[], Sequence[ConsumerQueue]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asked_at = -KEPT_S
        self._answer: Sequence[ConsumerQueue] = ()
        self.trouble = ""
        """Why the broker did not tell when it was asked last; empty if it did."""

    def collect(self) -> Iterator[Any]:
        """Yield gauges, as Prometheus' client wants it of a collector."""
        with self._lock:
            if time.monotonic() - self._asked_at >= KEPT_S:
                self._answer = self._asked()
                self._asked_at = time.monotonic()
            found = self._answer
        yield _gauge("consumer_notices", "Notices that wait for a registered consumer.", found, "ready")
        yield _gauge("consumer_notices_limit", "When so many wait for it, the oldest are dropped.", found, "limit")
        yield _gauge("consumer_notices_parked", "Notices that its handler could not take.", found, "parked")

    def _asked(self) -> Sequence[ConsumerQueue]:
        try:
            found = self._ask()
        except BrokerUnavailableError as error:
            if not self.trouble:
                log.warning("consumers_not_measured", error=str(error))
            self.trouble = str(error)
            return ()
        self.trouble = ""
        return found


def ask_consumers(settings: Settings) -> list[ConsumerQueue]:
    """Return the queues of registered consumers.

    Raises
    ------
    BrokerUnavailableError
        If the broker is away, or does not tell.
    """
    from underbutler.annex import consumer_queues
    from underbutler.broker import connection, translate_broker_errors

    link = connection(settings, connect_s=CONNECT_S)
    try:
        with translate_broker_errors(settings):
            link.connect()
        return consumer_queues(link, settings)
    finally:
        link.release()


def _gauge(name: str, text: str, found: Sequence[ConsumerQueue], field: str) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, text, labels=["consumer"])
    for one in found:
        family.add_metric([one.name], float(getattr(one, field)))
    return family
