"""The records: whether they answer and can be written, and all that they tell of the other parts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from underbutler.errors import RecordsUnavailableError, UnderbutlerError
from underbutler.migrations import is_current, upgrade
from underbutler.records import (
    Announced,
    BeatRow,
    FailedTarget,
    FiringRow,
    JobRow,
    JobStore,
    Overview,
    ScheduleRow,
)
from underbutler.settings import Settings
from underbutler.sql import open_engine, parse_url, read
from underbutler.wording import counted

from .asking import Answer, NoAnswerError
from .clocks import clock_findings
from .findings import Finding, Gravity, PartState, State, away, finding_of

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from underbutler.model.job import TargetState
    from underbutler.records.reading.measures import Measures

__all__ = ["RecordsAnswer", "ask_records", "records_state", "shown_records", "writing_fault"]

NAME: Final = "records"
WRITE_WAIT_S: Final = 0.5
"""How long another writer is waited for, in seconds."""
MOST_OBJECTS: Final = 3000
"""So many announced objects are compared one by one with what is in S3."""
SAMPLED_OBJECTS: Final = 8
"""Where there are more, so many of the latest are."""
_IMPATIENT: Final = {
    "sqlite": f"PRAGMA busy_timeout = {round(WRITE_WAIT_S * 1000)}",
    "postgresql": f"SET lock_timeout = {round(WRITE_WAIT_S * 1000)}",
}
_REMEMBERED: Final = "status"
"""Name of the row by which is tried whether the records can be written."""
_LARGE: Final = "x" * 8192
"""Its text: what would fit into a page that is there already would tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAnswer:
    """What the records say.

    Parameters
    ----------
    here_at
        This machine's clock when the database's was read.
    jobs
        The latest jobs, with the number of their targets in each state.
    overview, measures
        The service in words and in numbers.
    last_worker_at
        When a worker was seen or signed off last; None if none is remembered.
    beats
        Beats that have not ended in order.
    entries, last_firings
        The schedule, and the last firing of each entry.
    failures
        What failed last.
    announced
        Objects that should be in the annex.
    writing
        What is wrong with writing, if anything.
    """

    here_at: float
    jobs: tuple[tuple[JobRow, dict[TargetState, int]], ...]
    overview: Overview
    measures: Measures
    last_worker_at: float | None
    beats: tuple[BeatRow, ...]
    entries: tuple[ScheduleRow, ...]
    last_firings: tuple[FiringRow, ...]
    failures: tuple[FailedTarget, ...]
    announced: Announced
    writing: Finding | None

    @property
    def queues(self) -> list[str]:
        """Queues of targets that somebody consumes, or that something waits in."""
        return sorted(self.measures.waiting)


def ask_records(settings: Settings, last: int) -> RecordsAnswer:
    """Ask the records.

    Parameters
    ----------
    settings
        Which.
    last
        How many jobs are wanted.

    Raises
    ------
    RecordsUnavailableError
        If they do not answer.
    """
    url = settings.records_url
    if parse_url(url).drivername == "sqlite" and _is_there(url) and not is_current(url):
        upgrade(url)
    engine = open_engine(url, settings.database_wait_s)
    try:
        store = JobStore(engine)
        overview = store.overview.take()
        here_at = time.time()
        jobs = store.read.jobs(limit=last)
        counts = store.read.counts_of_jobs(row.id for row in jobs)
        return RecordsAnswer(
            here_at=here_at,
            jobs=tuple((row, counts[row.id]) for row in jobs),
            overview=overview,
            measures=store.measures.take(settings.lease_s),
            last_worker_at=max((row.ended_at or row.seen_at for row in store.workers.known()), default=None),
            beats=tuple(store.beats.known()),
            entries=tuple(store.schedules.entries()),
            last_firings=tuple(store.firings.last_of_each().values()),
            failures=tuple(store.failures.latest()),
            announced=store.announced.take(MOST_OBJECTS, SAMPLED_OBJECTS),
            writing=writing_fault(engine, shown_records(settings)),
        )
    finally:
        engine.dispose()


def writing_fault(engine: Engine, where: str) -> Finding | None:
    """Try to write into the records, in a row of our own: a full disk is not noticed by reading.

    Parameters
    ----------
    engine
        The records.
    where
        Their address, as it may be shown.

    Returns
    -------
    finding
        What is wrong, if anything. Another writer that has them for longer than a moment, and a right to write that
        this user lacks, are only to be known.
    """
    try:
        with read(engine) as connection:  # the one of the pool, which the writer gets next
            connection.exec_driver_sql(_IMPATIENT[engine.dialect.name])
        JobStore(engine).sweep.remember(_REMEMBERED, _LARGE)
    except RecordsUnavailableError as error:
        reason = str(error.fields.get("reason", ""))
        cure = str(error).removeprefix(f"The records at {error.fields.get('url')} do not answer: {reason}. ")
        passing = reason.startswith(("another process writes", "the file is read-only"))
        return Finding(
            about=NAME,
            what=f"The records at {where} can be read and not written: {reason}.",
            why="" if passing else "Nothing can be submitted, claimed or completed.",
            cure=cure,
            gravity=Gravity.NOTED if passing else Gravity.WRONG,
            code=3,
        )
    return None


def records_state(settings: Settings, answer: Answer[RecordsAnswer]) -> tuple[PartState, RecordsAnswer | None]:
    """Return how the records are, and what they say."""
    where = shown_records(settings)
    try:
        told = answer.get()
    except NoAnswerError as error:
        finding = Finding(
            about=NAME,
            what=f"The records at {where} give {error}.",
            cure="Look at that server or disk, and the network between, or correct UNDERBUTLER_DATABASE_URL.",
            code=3,
        )
        return away(NAME, where, finding), None
    except UnderbutlerError as error:
        return away(NAME, where, _finding(error)), None
    jobs = sum(told.measures.jobs.values())
    facts = {
        "jobs": jobs,
        "targets": {
            "queued": told.measures.queued,
            "running": told.measures.running,
            "delivering": told.measures.delivering,
            "held": sum(told.measures.held.values()),
        },
    }
    line = f"{where}; {counted(jobs, 'job')} not ended, {counted(told.overview.open_targets, 'target')} in them"
    findings = tuple(_findings(settings, told, where))
    state = PartState(
        name=NAME,
        state=State.ANSWERS,
        told=line if jobs else where,
        address=where,
        findings=findings,
        facts=facts,
    )
    return state, told


def shown_records(settings: Settings) -> str:
    """Return where the records are, without the password."""
    return parse_url(settings.records_url).render_as_string(hide_password=True)


def _findings(settings: Settings, told: RecordsAnswer, where: str) -> Iterator[Finding]:
    if told.writing is not None:
        yield told.writing
    if not settings.records_url.startswith("sqlite"):
        yield from clock_findings(NAME, f"the records at {where}", told.overview.now, told.here_at)


def _finding(error: UnderbutlerError) -> Finding:
    reason = str(error.fields.get("reason", ""))
    head = f"The records at {error.fields.get('url')} do not answer: {reason}. "
    if reason and str(error).startswith(head):
        return Finding(about=NAME, what=head.strip(), cure=str(error).removeprefix(head), code=3)
    return finding_of(NAME, error)


def _is_there(url: str) -> bool:
    path = parse_url(url).database
    return bool(path) and Path(str(path)).exists()
