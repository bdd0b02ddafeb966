"""Counters, gauges and histograms that count once somebody wants them to, in any pool.

In prefork every child writes a file of its own (``prometheus_client``'s multiprocess mode); see `folder`.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from underbutler.telemetry.logs import get_logger

__all__ = [
    "PREFIX",
    "Counter",
    "Gauge",
    "Histogram",
    "Instrument",
    "begin",
    "counting",
    "defined",
    "end",
    "join",
    "own",
]

log = get_logger(__name__)

PREFIX: Final = "underbutler_"
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where ``prometheus_client`` reads in which folder a process writes its file."""
INSTALL: Final = "pip install 'underbutler[monitoring]'"

_defined: list[Instrument] = []
_counting: _Counting | None = None


@dataclass
class _Counting:
    """What a process counts with. A fork takes it along; each process then writes a file of its own."""

    registry: Any
    made: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Instrument:
    """One metric.

    Parameters
    ----------
    name
        Without the prefix; with its unit, and ``_total`` if it counts.
    text
        What it says, for people.
    labels
        Names of its labels, and where they are closed the values that each may have. Few: a task, a queue, an outcome,
        a repository; never a target, a data ID, a job, a user or an error's text.
    home
        Which service counts it: ``worker``, ``beat``, or ``""`` for both.
    """

    kind = ""

    def __init__(
        self, name: str, text: str, labels: Mapping[str, Sequence[str]] | None = None, *, home: str = "worker"
    ) -> None:
        self.name = PREFIX + name
        self.text = text
        self.labels = dict(labels or {})
        self.home = home
        _defined.append(self)

    def _make(self, registry: Any) -> Any:
        import prometheus_client

        made = getattr(prometheus_client, self.kind)
        return made(self.name, self.text, tuple(self.labels), registry=registry, **self._options())

    def _options(self) -> dict[str, Any]:
        return {}

    def _do(self, verb: str, number: float, labels: Mapping[str, str]) -> None:
        """Change the value, unless nothing is counted; what cannot be written ends the counting and nothing else."""
        state = _counting
        if state is None:
            return
        try:
            with state.lock:
                getattr(self._series(state, labels), verb)(number)
        except (OSError, MemoryError) as error:
            end()
            log.warning("metrics_ended", error=f"{type(error).__name__}: {error}")

    def _series(self, state: _Counting, labels: Mapping[str, str]) -> Any:
        metric = state.made.get(self.name)
        if metric is None:
            metric = state.made[self.name] = self._make(state.registry)
        return metric.labels(**labels) if labels else metric

    def _show_zero(self, state: _Counting) -> None:
        """Let a counter whose labels are closed be there before the first count: a rate needs a value to start from."""
        if self.kind == "Counter" and all(self.labels.values()):
            for values in itertools.product(*self.labels.values()):
                self._series(state, dict(zip(self.labels, values, strict=True)))


class Counter(Instrument):
    """Counts what happens. Its name ends in ``_total``."""

    kind = "Counter"

    def count(self, number: float = 1, **labels: str) -> None:
        """Count so many."""
        self._do("inc", number, labels)


class Gauge(Instrument):
    """Says how things are in one process; of several that live, the sum is shown."""

    kind = "Gauge"

    def set(self, value: float, **labels: str) -> None:
        """Say how much it is now."""
        self._do("set", value, labels)

    def _options(self) -> dict[str, Any]:
        return {"multiprocess_mode": "livesum"}


class Histogram(Instrument):
    """Counts what was measured, by size.

    Parameters
    ----------
    buckets
        Upper ends, in the unit of the name.
    """

    kind = "Histogram"

    def __init__(
        self,
        name: str,
        text: str,
        labels: Mapping[str, Sequence[str]] | None = None,
        *,
        buckets: Sequence[float],
        home: str = "worker",
    ) -> None:
        super().__init__(name, text, labels, home=home)
        self.buckets = tuple(buckets)

    def observe(self, value: float, **labels: str) -> None:
        """Count one value."""
        self._do("observe", value, labels)

    @contextmanager
    def timed(self, **labels: str) -> Iterator[None]:
        """Count how long a block takes that does not raise, in seconds."""
        began = time.monotonic()
        yield
        self.observe(time.monotonic() - began, **labels)

    def _options(self) -> dict[str, Any]:
        return {"buckets": self.buckets}


def defined() -> list[Instrument]:
    """Return every metric that is counted somewhere."""
    return list(_defined)


def counting() -> bool:
    """Tell whether this process counts."""
    return _counting is not None


def begin(home: str, folder: Path | None = None) -> bool:
    """Count from now on, in this process and in those that are forked from it; a second time changes nothing.

    Parameters
    ----------
    home
        Which service this is, ``worker`` or ``beat``.
    folder
        Where this process and its children write their files; None: this process counts alone, in its memory.

    Returns
    -------
    counting
        False, with a word in the log, where ``prometheus-client`` is not installed.
    """
    global _counting  # noqa: PLW0603 - one state per process
    if _counting is not None:
        return True
    if folder is not None:
        os.environ[FOLDER_VARIABLE] = str(folder)
    try:
        import prometheus_client
        from prometheus_client import values
    except ModuleNotFoundError:
        log.warning("metrics_not_installed", cure=INSTALL)
        return False
    values.ValueClass = values.MutexValue if folder is None else values.MultiProcessValue()
    state = _Counting(prometheus_client.CollectorRegistry())
    prometheus_client.disable_created_metrics()  # one more series for each counter, which tells nothing
    for one in _defined:
        if one.home in {"", home}:
            one._show_zero(state)
    # A child that is forked while another thread counts would find the lock taken for ever.
    os.register_at_fork(
        before=state.lock.acquire, after_in_parent=state.lock.release, after_in_child=state.lock.release
    )
    _counting = state
    return True


def join(home: str) -> bool:
    """Count where the process that started this one counts; False if it does not.

    Parameters
    ----------
    home
        Which service this is part of.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    return folder is not None and Path(folder).is_dir() and begin(home, Path(folder))


def end() -> None:
    """Count no more in this process."""
    global _counting  # noqa: PLW0603
    _counting = None


def own() -> list[Any]:
    """Return what this process counts alone, as collectors: none if it does not count."""
    return [] if _counting is None else [_counting.registry]
