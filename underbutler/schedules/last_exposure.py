"""When the latest exposure of a repository ended: what entries with ``after_last_exposure`` wait for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from underbutler.context import ServiceContext
from underbutler.errors import UnderbutlerError, UsageError
from underbutler.records import FiringRow, ScheduleRow
from underbutler.telemetry.logs import get_logger

from .entries import Definition
from .firing import definition_of

__all__ = ["LastExposure", "a_later_exposure", "last_exposure", "look"]

log = get_logger(__name__)

TROUBLE: Final = "The latest exposure is not known: "


class LastExposure(NamedTuple):
    """The exposure of an instrument that ended last: its id, and when, in whole seconds since 1970 UTC."""

    exposure: int
    end: int


def look(context: ServiceContext, every_s: float) -> bool:
    """Look for the latest exposure of one entry that waits for it, and set when it is due; False if none waits."""
    row = context.jobs.schedules.take_look(every_s)
    if row is None:
        return False
    try:
        definition = definition_of(row)
        found = last_exposure(context, definition)
    except Exception as error:
        if not isinstance(error, UnderbutlerError):
            log.exception("schedule_look_failed", schedule=row.name)
        trouble = f"{TROUBLE}{error}"
        if row.error != trouble:
            log.warning("schedule_cannot_look", schedule=row.name, error=str(error))
            context.jobs.schedules.set_error(row.id, trouble)
        return True
    if (row.error or "").startswith(TROUBLE):
        context.jobs.schedules.set_error(row.id, None)
    if found is not None:
        _set(context, row, definition, found)
    return True


def last_exposure(context: ServiceContext, definition: Definition) -> LastExposure | None:
    """Return the exposure of an entry's instrument that ended last; None if there is none.

    Raises
    ------
    UnderbutlerError
        If the repository cannot be asked.
    """
    instrument = definition.when.instrument or definition.id["instrument"]
    if not isinstance(instrument, str):
        raise UsageError("after_last_exposure looks at one instrument: name it in when.instrument.")
    with context.repositories.butler(definition.repo or "") as butler:
        records: list[Any] = butler.query_dimension_records(
            "exposure", instrument=instrument, order_by="-exposure.timespan.end", limit=1, explain=False
        )
    return LastExposure(records[0].id, round(records[0].timespan.end.unix)) if records else None


def a_later_exposure(context: ServiceContext, firing: FiringRow, definition: Definition) -> str | None:
    """Return in words that an exposure was taken after the one that a firing follows; it fires anew after that one."""
    span = definition.when.after_last_exposure
    if span is None or firing.due_at != round(firing.due_at):  # fired by hand
        return None
    found = last_exposure(context, definition)
    if found is None or found.end + span <= firing.due_at:
        return None
    row = context.jobs.schedules.entry(firing.name)
    _set(context, row, definition, found)
    return f"exposure {found.exposure} was taken later: it fires after that one"


def _set(context: ServiceContext, row: ScheduleRow, definition: Definition, found: LastExposure) -> None:
    """Set when an entry is due, unless it was before it was there."""
    due = found.end + (definition.when.after_last_exposure or 0)
    if due > row.since and due != row.next_due:
        context.jobs.schedules.set_due(row, due)
