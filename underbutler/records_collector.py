"""What the records say, as metrics: read when Prometheus asks, kept for a few seconds.

Every beat, and ``underbutler metrics``, says the same; what processes count is theirs (`underbutler.metrics`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import RecordsUnavailableError
from underbutler.metrics import PREFIX
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from underbutler.records import JobStore
    from underbutler.records.reading.measures import Measures
    from underbutler.settings import Settings

__all__ = ["RecordsCollector"]

log = get_logger(__name__)

KEPT_S: Final = 5.0
"""An answer is good for so long: two Prometheus servers and a curious person ask the records once."""
SEEN_S: Final = 60.0
"""A worker is there that was seen within twice its lease, and at least within so long."""

Samples = Iterable[tuple[Mapping[str, str], float | None]]


class RecordsCollector:
    """Asks the records in numbers, one asker at a time; what they do not answer is left out, and said to be so.

    Parameters
    ----------
    jobs
        Returns the records.
    settings
        Length of a lease.
    """

    def __init__(self, jobs: Callable[[], JobStore], settings: Settings) -> None:
        self._jobs = jobs
        self._seen_within_s = max(SEEN_S, 2 * settings.lease_s)
        self._lock = threading.Lock()
        self._asked_at = -KEPT_S
        self._answer: tuple[Measures | None, float] = (None, 0.0)
        self.trouble = ""
        """Why the records did not answer when they were asked last; empty if they did."""

    def collect(self) -> Iterator[Any]:
        """Yield gauges, as Prometheus' client wants it of a collector."""
        with self._lock:
            if time.monotonic() - self._asked_at >= KEPT_S:
                self._answer = self._ask()
                self._asked_at = time.monotonic()
            found, seconds = self._answer
        yield _gauge("records_up", "Whether the records answered.", [({}, float(found is not None))])
        yield _gauge("records_read_seconds", "Time that the records took to answer.", [({}, seconds)])
        if found is not None:
            yield from _gauges(found)

    def _ask(self) -> tuple[Measures | None, float]:
        began = time.monotonic()
        try:
            found = self._jobs().measures.take(self._seen_within_s)
        except RecordsUnavailableError as error:
            if not self.trouble:
                log.warning("records_not_measured", error=str(error))
            self.trouble = str(error)
            return None, time.monotonic() - began
        self.trouble = ""
        return found, time.monotonic() - began


def _gauges(found: Measures) -> Iterator[Any]:
    states = {"queued": found.queued, "running": found.running, "delivering": found.delivering}
    yield _gauge(
        "targets",
        "Targets that have not ended, by state; held ones are in quarantine.",
        [({"state": state}, number) for state, number in (states | {"held": sum(found.held.values())}).items()],
    )
    yield _gauge(
        "jobs", "Jobs that have not ended, by phase.", [({"phase": phase}, n) for phase, n in found.jobs.items()]
    )
    yield _gauge(
        "held_targets", "Targets in quarantine, by task.", [({"task": task}, n) for task, n in found.held.items()]
    )
    yield _gauge("parked_messages", "Messages in quarantine.", [({}, found.parked)])
    yield _gauge(
        "queue_targets",
        "Targets whose message waits in the broker, by queue; counted up to 50000.",
        [({"queue": queue}, number) for queue, number in found.waiting.items()],
    )
    yield _gauge(
        "queue_oldest_seconds",
        "For how long the oldest of them has waited for a worker; 0 if none does.",
        [({"queue": queue}, age) for queue, age in found.waiting_age_s.items()],
    )
    yield _gauge(
        "delivering_oldest_seconds",
        "How long ago the target began that has been delivering for longest; 0 if none is.",
        [({}, found.delivering_age_s or 0.0)],
    )
    unsent = {"message": (found.unsent, found.unsent_age_s), "notice": (found.notices, found.notices_age_s)}
    yield _gauge(
        "outbox_size",
        "What is due and not sent, messages of targets and notices; counted up to 50000.",
        [({"what": what}, number) for what, (number, _) in unsent.items()],
    )
    yield _gauge(
        "outbox_oldest_seconds",
        "For how long the oldest of it has been due; 0 if nothing is.",
        [({"what": what}, age or 0.0) for what, (_, age) in unsent.items()],
    )
    fitness = {True: "fit", False: "unfit"}
    queues = sorted({queue for queue, _ in found.workers})
    yield _gauge(
        "workers",
        "Workers that were seen of late, by what they consume and whether they take targets.",
        [
            ({"queue": queue, "fitness": word}, found.workers.get((queue, fit), 0))
            for queue in queues
            for fit, word in fitness.items()
        ],
    )
    yield _gauge("workers_seen", "Workers that were seen of late.", [({}, sum(found.workers.values()))])
    yield _gauge(
        "breaker_open",
        "1 while the circuit breaker of a repository is open, because it could not be opened.",
        [({"repo": label}, float(is_open)) for label, is_open in found.breakers.items()],
    )
    yield _gauge("sweep_age_seconds", "How long ago somebody swept.", [({}, found.swept_age_s)])


def _gauge(name: str, text: str, samples: Samples) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    samples = list(samples)
    labels = list(samples[0][0]) if samples else []
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, number in samples:
        if number is not None:
            family.add_metric([values[label] for label in labels], float(number))
    return family
