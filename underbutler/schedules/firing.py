"""The file brought into the records, and what is due fired: a few short transactions, no Butler, no broker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from underbutler import metrics
from underbutler.errors import UsageError
from underbutler.records import FiringState, JobStore, NewSchedule, ScheduleRow
from underbutler.telemetry.logs import get_logger

from .clocks import clock_of
from .entries import Definition
from .files import ScheduleFile
from .planning import plan

__all__ = ["bring", "definition_of", "fire_due", "new_schedules"]

log = get_logger(__name__)


def definition_of(row: ScheduleRow) -> Definition:
    """Return what an entry of the records is.

    Raises
    ------
    UsageError
        If it never was right, or another release has recorded it.
    """
    if row.definition is None:
        raise UsageError(row.error or f"Schedule {row.name!r} has an error.", schedule=row.name)
    try:
        return Definition.model_validate(row.definition)
    except ValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(
            f"Schedule {row.name!r} was recorded by another release, and this one does not take it: {words}. Correct "
            "its file.",
            schedule=row.name,
        ) from error


def new_schedules(file: ScheduleFile, now: float) -> Iterable[NewSchedule]:
    """Return what a file says of each entry: what it is, or what is wrong with it."""
    for definition in file.entries:
        as_json: dict[str, Any] = definition.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        try:
            yield NewSchedule(name=definition.name, definition=as_json, next_due=clock_of(definition).due_after(now))
        except UsageError as error:  # ephem is not installed
            yield NewSchedule(name=definition.name, definition=None, error=f"{file.path}: {error}")
    right = {definition.name for definition in file.entries}
    for name, words in file.wrong_names.items():
        if name not in right:
            yield NewSchedule(name=name, definition=None, error=words)


def bring(jobs: JobStore, file: ScheduleFile, *, who: str, now: float) -> list[str]:
    """Bring a file into the records; what is wrong with an entry is recorded with it, and it goes on as before.

    Returns
    -------
    changed
        Names of what is new, changed or removed.
    """
    return jobs.schedules.bring(
        new_schedules(file, now), source=str(file.path), who=who, now=now, remove_others=not file.may_hold_more
    )


def fire_due(jobs: JobStore, now: float, *, fired_by: str) -> int:
    """Fire what is due; return how many firings were recorded. An entry that cannot be read holds up no other."""
    fired = 0
    for row in jobs.schedules.due(now):
        try:
            definition = definition_of(row)
            clock = clock_of(definition)
        except UsageError as error:
            if row.error != str(error):
                log.warning("schedule_wrong", schedule=row.name, error=str(error))
                jobs.schedules.set_error(row.id, str(error))
            continue
        assert row.next_due is not None
        plan_ = plan(clock.due_after, row.next_due, now, missed=definition.missed, grace_s=definition.grace)
        made = jobs.schedules.fire(row, plan_.firings, plan_.next_due, lane=definition.lane, fired_by=fired_by)
        fired += len(made)
        if made:
            waiting = [one.due_at for one in plan_.firings if one.state is FiringState.WAITING]
            left_out = sum(one.missed for one in plan_.firings) + len(plan_.firings) - len(waiting)
            late = {"late_s": round(now - min(waiting), 3)} if waiting else {}
            metrics.BEAT_FIRINGS.count(len(waiting), outcome="fired")
            metrics.BEAT_FIRINGS.count(left_out, outcome="skipped")
            log.info("schedule_fired", schedule=row.name, firings=len(waiting), left_out=left_out, **late)
    return fired
