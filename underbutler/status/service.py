"""The service as a whole: who is asked what, and what follows from the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from underbutler.redaction import redacted_error
from underbutler.settings import Settings, load_settings

from .asking import Answer, Asking, NoAnswerError
from .failures import FailureGroup, grouped
from .findings import Finding, Gravity, PartState, State
from .memory import Memory

if TYPE_CHECKING:
    from underbutler.model.job import TargetState
    from underbutler.records import JobRow, WorkerRow

    from .broker import BrokerAnswer
    from .records import RecordsAnswer
    from .registries import Registry

__all__ = ["ServiceState", "take"]

T = TypeVar("T")

NAMES_S: Final = 0.6
"""So long S3 and the broker are asked later for names that records and registries have, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The service at one moment.

    Parameters
    ----------
    at
        When, in seconds since 1970 UTC.
    took_s
        How long it took to ask, in seconds.
    parts
        How each part is.
    findings
        What is wrong, the gravest first, and then what is only to be known.
    jobs
        The latest jobs, with the number of their targets in each state.
    workers
        Workers that have not ended.
    failures
        What failed last.
    looked_at
        When somebody looked before; None: never.
    """

    at: float
    took_s: float
    parts: tuple[PartState, ...]
    findings: tuple[Finding, ...]
    jobs: tuple[tuple[JobRow, dict[TargetState, int]], ...]
    workers: tuple[WorkerRow, ...]
    failures: tuple[FailureGroup, ...]
    looked_at: float | None

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What is wrong."""
        return tuple(one for one in self.findings if one.gravity is Gravity.WRONG)

    @property
    def exit_code(self) -> int:
        """0 if nothing is wrong; 3 if a service is away; else 2 if one refuses us; else 1; 4: a fault of ours."""
        codes = {one.code for one in self.wrong}
        return next((code for code in (4, 3, 2, 1) if code in codes), 0)


def take(
    settings: Settings | None = None, *, last: int = 20, began_at: float | None = None, shown: bool = False
) -> ServiceState:
    """Ask every part of the service, side by side, and wait for none of them.

    Parameters
    ----------
    settings
        Where everything is; default the environment.
    last
        How many jobs are wanted.
    began_at
        When the command began, by `time.monotonic`; default now.
    shown
        Whether somebody is shown the failures: they are not new any more afterwards.

    Raises
    ------
    UsageError
        If a setting does not fit.
    """
    began_at = time.monotonic() if began_at is None else began_at
    settings = settings or load_settings()
    asked = _Questions(settings, last)
    memory = Memory(settings.home)
    parts, records = asked.parts()
    now = time.time()
    dated = memory.dated(parts, now)
    failures = grouped(records.failures, memory.looked_at) if records else ()
    looked_at = memory.looked_at
    memory.keep(looked_at=records.overview.now if records and shown else None)
    return ServiceState(
        at=now,
        took_s=time.monotonic() - began_at,
        parts=tuple(dated),
        findings=_in_order(dated, records),
        jobs=records.jobs if records else (),
        workers=records.overview.workers if records else (),
        failures=failures,
        looked_at=looked_at,
    )


class _Questions:
    """The questions, asked as soon as what they need is imported: the heaviest last.

    Everything that is heavy is imported in this thread: two that import the same get in each other's way.
    """

    def __init__(self, settings: Settings, last: int) -> None:
        from . import disks, registries, repositories
        from .beat import ask_file
        from .records import ask_records

        self._settings = settings
        self._asking = Asking()
        ask = self._asking.begin
        index = ask("index", repositories.known_labels, settings)
        self._records: Answer[RecordsAnswer] = ask("records", ask_records, settings, last)
        self._file = ask("schedule", ask_file, settings)
        self._labels, self._index = repositories.indexed_labels(settings, index)
        self._registries: dict[str, Answer[Registry]] = {
            label: ask(f"repository-{label}", registries.ask_repository, uri, settings)
            for label, uri in self._labels.items()
        }
        self._disks = ask("disk", lambda: disks.ask_disks(settings, self._folders()))

        from .broker import ask_broker

        self._broker: Answer[BrokerAnswer] = ask("broker", lambda: ask_broker(settings, self._queues()))

        from .annex import ask_annex

        self._annex = ask("s3", ask_annex, settings, self._asking, self._buckets, self._announced)

    def parts(self) -> tuple[list[PartState], RecordsAnswer | None]:
        """Return how each part is, and what the records say, if they do."""
        from .annex import annex_state
        from .beat import beat_state, schedule_state
        from .broker import broker_state
        from .consumers import consumers_state
        from .disks import disks_state
        from .records import records_state
        from .repositories import repository_state
        from .workers import workers_state

        settings, parts = self._settings, []
        records_part, records = _guarded("records", lambda: records_state(settings, self._records))
        broker_part, broker = _guarded("broker", lambda: broker_state(settings, self._broker))
        parts += [broker_part, records_part, _guarded("s3", lambda: (annex_state(settings, self._annex), None))[0]]
        parts += [
            _guarded(f"repository {label}", self._state_of_label(label, repository_state))[0] for label in self._labels
        ]
        if self._index is not None:
            parts.append(PartState(name="repositories", state=State.AWAY, findings=(self._index,)))
        elif not self._labels:
            parts.append(PartState(name="repositories", state=State.NEVER, told=_NO_REPOSITORY))
        for name, state in (
            ("workers", lambda: workers_state(settings, _there(records))),
            ("beat", lambda: beat_state(settings, _there(records))),
            ("schedule", lambda: schedule_state(settings, _there(records), self._faults())),
        ):
            parts.append(_guarded(name, _alone(state))[0] if records else _untold(name))
        parts.append(_guarded("consumers", lambda: (consumers_state(broker), None))[0])
        parts.append(_guarded("disk", lambda: (disks_state(self._disks.get()), None))[0])
        return parts, records

    def _state_of_label(self, label: str, state: Callable[..., Any]) -> Callable[[], tuple[PartState, Any]]:
        uri, index = self._labels[label], self._settings.index_uri
        return lambda: state(label, uri, index, self._registries[label])

    def _faults(self) -> tuple[str, ...]:
        return _in_time(self._file) or ()

    def _queues(self) -> list[str]:
        told = _in_time(self._records)
        return sorted({self._settings.queue, *(told.queues if told else ())})

    def _announced(self) -> Any:
        told = _in_time(self._records)
        return told.announced if told else None

    def _buckets(self) -> list[str]:
        from .annex import buckets_of

        found = [told for answer in self._registries.values() if (told := _in_time(answer))]
        return buckets_of(self._settings, sorted({name for told in found for name in told.observed}))

    def _folders(self) -> dict[str, Path]:
        found = {label: _in_time(answer) for label, answer in self._registries.items()}
        return {label: told.folder for label, told in found.items() if told and told.folder}


_NO_REPOSITORY: Final = "none has a label yet: `underbutler repo create ./repo --label demo`"


def _in_time(answer: Answer[T]) -> T | None:
    """Return what others want to know, or None: why it is not there is told where it was asked."""
    try:
        return answer.get(NAMES_S)
    except Exception:  # noqa: BLE001 - told by the part itself
        return None


def _there(records: RecordsAnswer | None) -> RecordsAnswer:
    assert records is not None
    return records


def _alone(state: Callable[[], PartState]) -> Callable[[], tuple[PartState, None]]:
    return lambda: (state(), None)


def _untold(name: str) -> PartState:
    return PartState(name=name, state=State.UNKNOWN, told="the records do not tell")


def _guarded(name: str, state: Callable[[], tuple[PartState, T]]) -> tuple[PartState, T | None]:
    """Return a part; a fault of ours in asking it is told of it, and the others are told all the same."""
    try:
        return state()
    except NoAnswerError as error:
        finding = Finding(about=name, what=f"The part {name!r} gives {error}.", code=3)
        return PartState(name=name, state=State.AWAY, findings=(finding,)), None
    except Exception as error:  # noqa: BLE001 - told, with exit code 4
        clean = redacted_error(error)
        finding = Finding(
            about=name,
            what=f"The part {name!r} could not be asked: a fault of Underbutler.",
            why=f"{type(clean).__name__}: {clean}",
            cure="Please report it to whoever maintains Underbutler for you, with this line.",
            code=4,
        )
        return PartState(name=name, state=State.UNKNOWN, findings=(finding,)), None


def _in_order(parts: list[PartState], records: RecordsAnswer | None) -> tuple[Finding, ...]:
    """Return what was found: services that are away first, then what is wrong, then what is to be known."""
    from .workers import work_findings

    found = [*_fresh(parts), *(finding for part in parts for finding in _dated(part))]
    found += work_findings(records.overview) if records else []
    away = [one for one in found if one.gravity is Gravity.WRONG and one.code > 1]
    wrong = [one for one in found if one.gravity is Gravity.WRONG and one.code <= 1]
    return (*away, *wrong, *(one for one in found if one.gravity is not Gravity.WRONG))


def _fresh(parts: list[PartState]) -> Iterator[Finding]:
    """Say of a site where nothing was seen yet how all of it begins."""
    asked = {part.name: part.state for part in parts if part.name in {"broker", "records", "repositories"}}
    if len(asked) == 3 and set(asked.values()) == {State.NEVER}:
        yield Finding(
            about="site",
            what="Nothing was started here yet.",
            cure="`underbutler up` starts all of it on this machine. With servers of your own, set their addresses.",
            code=3,
        )


def _dated(part: PartState) -> Iterator[Finding]:
    for finding in part.findings:
        dated = part.state is State.AWAY and finding.since is None and finding.code > 1
        yield replace(finding, since=part.since) if dated else finding
