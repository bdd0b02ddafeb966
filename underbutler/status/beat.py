"""Beat, the schedule that it fires, and the housekeeping that it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from underbutler.errors import UsageError
from underbutler.records import BeatRow, FiringState, ScheduleRow
from underbutler.settings import Settings
from underbutler.wording import counted, span_text, when_text

from .findings import Finding, Gravity, PartState, State

if TYPE_CHECKING:
    from .records import RecordsAnswer

__all__ = ["ask_file", "beat_state", "schedule_state"]

BEAT: Final = "beat"
SCHEDULE: Final = "schedule"
SILENT_S: Final = 40.0
"""A beat that was not seen for longer is away, in seconds: it tells of itself every 10 s."""
SILENT_SWEEPS: Final = 6
"""So many intervals without a sweep are too many."""
LATE_S: Final = 60.0
"""An entry that is due for longer has not been fired, in seconds."""
_START: Final = "Start it: `celery -A beat beat`, or `underbutler up`."


def beat_state(settings: Settings, told: RecordsAnswer) -> PartState:
    """Return whether a beat lives, and whether somebody sweeps."""
    now = told.overview.now
    alive = [beat for beat in told.beats if now - beat.seen_at <= SILENT_S]
    last = told.beats[0].seen_at if told.beats else told.overview.swept_at
    state = State.ANSWERS if alive else State.NEVER if last is None else State.AWAY
    leader = next((beat for beat in alive if beat.leads), None)
    line = ""
    if alive:
        who = leader or alive[0]
        more = f", and {counted(len(alive) - 1, 'other')}" if len(alive) > 1 else ""
        line = f"{who.name}{' fires the schedule' if leader else ''}{more}; since {when_text(who.since)}"
    return PartState(
        name=BEAT,
        state=state,
        told=line,
        since=alive[0].since if alive else last,
        findings=tuple(_beat_findings(settings, told, alive)),
        facts={"alive": len(alive), "silent": len(told.beats) - len(alive), "swept_at": told.overview.swept_at},
    )


def schedule_state(settings: Settings, told: RecordsAnswer, in_file: tuple[str, ...]) -> PartState:
    """Return what is scheduled, when it fires next, and what is wrong with it.

    Parameters
    ----------
    settings
        Where its file is.
    told
        What the records say.
    in_file
        What is wrong with the file of this machine.
    """
    now = told.overview.now
    entries = [row for row in told.entries if row.definition is not None]
    coming = [row for row in entries if row.next_due is not None and not row.paused]
    first = min(coming, key=lambda row: row.next_due or 0.0, default=None)
    if not told.entries:
        line = "nothing is scheduled"
    else:
        following = f"; next {first.name} at {when_text(first.next_due)}" if first else "; none will fire"
        paused = sum(row.paused for row in entries)
        line = counted(len(entries), "entry", "entries") + (f", {paused} paused" if paused else "") + following
    return PartState(
        name=SCHEDULE,
        state=State.ANSWERS,
        told=line,
        findings=tuple(_schedule_findings(settings, told, in_file)),
        facts={
            "entries": len(entries),
            "next": None if first is None else {"name": first.name, "at": first.next_due},
            "late": [row.name for row in coming if (row.next_due or now) < now - LATE_S],
        },
    )


def ask_file(settings: Settings) -> tuple[str, ...]:
    """Return what is wrong with the schedule's file of this machine, if there is one."""
    path = settings.schedules_file
    if not path.exists():
        return ()
    from underbutler.schedules.files import read_schedules

    try:
        return tuple(problem.text(path) for problem in read_schedules(path).problems)
    except UsageError as error:
        return (str(error),)


def _beat_findings(settings: Settings, told: RecordsAnswer, alive: list[BeatRow]) -> Iterator[Finding]:
    now, overview = told.overview.now, told.overview
    scheduled = [row for row in told.entries if not row.paused]
    last = f" for {span_text(now - told.beats[0].seen_at)}" if told.beats else ""
    if not alive and (scheduled or settings.schedules_file.exists()):
        number = counted(len(scheduled), "entry of the schedule does", "entries of the schedule do")
        yield Finding(
            about=BEAT,
            what=f"No beat was seen{last}: {number} not fire."
            if scheduled
            else f"No beat was seen{last}: {settings.schedules_file} is not read.",
            cure=_START,
            since=told.beats[0].seen_at if told.beats else None,
            count=len(scheduled) or None,
        )
    silent = max(30.0, SILENT_SWEEPS * settings.sweep_interval_s)
    swept = overview.swept_at
    if swept is not None and now - swept <= silent:
        return
    without = "lost messages and dead workers are not noticed"
    cure = "Start it: `celery -A beat beat`, `underbutler up`, or `underbutler sweep --every 5`."
    if swept is None:
        what = f"No housekeeping runs: {without}."
    else:
        what = f"No sweep for {span_text(now - swept)}: {without}."
    yield Finding(about=BEAT, what=what, cure=cure, since=swept)


def _schedule_findings(settings: Settings, told: RecordsAnswer, in_file: tuple[str, ...]) -> Iterator[Finding]:
    faults = dict.fromkeys((*in_file, *(fault for beat in told.beats for fault in beat.faults)))
    for fault in faults:
        yield Finding(
            about=SCHEDULE,
            what="The schedule's file has a fault.",
            why=fault,
            cure=f"Correct it, and check it: `underbutler schedule check {settings.schedules_file}`.",
        )
    if not faults:
        yield from (_of_entry(row) for row in told.entries if row.error)
    for firing in told.last_firings:
        if firing.state is FiringState.FAILED:
            yield Finding(
                about=SCHEDULE,
                what=f"The last firing of {firing.name!r} failed, due at {when_text(firing.due_at)}.",
                why=firing.told or "",
                cure=f"Look at it: `underbutler schedule history {firing.name}`.",
                gravity=Gravity.NOTED,
                since=firing.ended_at,
            )


def _of_entry(row: ScheduleRow) -> Finding:
    return Finding(
        about=SCHEDULE,
        what=f"The entry {row.name!r} of the schedule has a fault; it goes on as it was before.",
        why=row.error or "",
        cure=f"Correct it in {row.source}.",
    )
