"""The schedule's rows: entries are brought in and fire once for each slot; firings are done under a lease."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select, update

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import SHORTEST_END, is_named
from underbutler.records.tables.schedules import Firing, Schedule
from underbutler.records.values.schedules import NewFiring, NewSchedule, ScheduleRow, firing_id, schedule_id
from underbutler.records.writing.fence import kept
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

from .firings import insert_firing

__all__ = ["Schedules"]


class Schedules(StorePart):
    """Entries of the schedule: brought in, due, fired, paused. What they fired is in `Firings`."""

    def bring(
        self, entries: Iterable[NewSchedule], *, source: str, who: str, now: float, remove_others: bool = True
    ) -> list[str]:
        """Bring in all entries of a file, in one transaction; those of the records that are not among them are removed.

        An entry whose clock is the same keeps its `next_due`, so that nothing is fired twice or left out; one with an
        error goes on as it was before. What is removed keeps its history.

        Parameters
        ----------
        entries
            All of them.
        source
            The file, for people.
        who
            Who brings them.
        now
            By which clock `next_due` was counted.
        remove_others
            Whether what is not among them is removed.

        Returns
        -------
        changed
            Names of what is new, changed or removed.
        """
        changed = []
        with write(self._engine) as connection:
            known = {row.id: row for row in connection.execute(_schedules().with_for_update())}
            for entry in entries:
                before = known.pop(schedule_id(entry.name), None)
                if _brought(connection, entry, before, {"source": source, "changed_by": who, "changed_at": now}):
                    changed.append(entry.name)
            gone = [row for row in known.values() if row.removed_at is None and remove_others]
            if gone:
                connection.execute(
                    update(Schedule)
                    .where(Schedule.id.in_([row.id for row in gone]))
                    .values(removed_at=now, next_due=None, error=None, changed_by=who, changed_at=now)
                )
        return changed + [row.name for row in gone]

    def entries(self) -> list[ScheduleRow]:
        """Return the entries that are not removed, by name."""
        return self._found(Schedule.removed_at.is_(None))

    def entry(self, name: str) -> ScheduleRow:
        """Return an entry by its name, or by its id or its first or last characters; one that is removed too.

        Raises
        ------
        UnknownNameError
            If there is none.
        UsageError
            If the characters fit several.
        """
        rows = self._found()
        exact = [row for row in rows if row.name == name or str(row.id) == name]
        found = exact or [row for row in rows if len(name) >= SHORTEST_END and is_named(row.id, name)]
        if len(found) > 1:
            raise UsageError(
                f"{name!r} fits several schedules: {', '.join(row.name for row in found)}. Write more of it."
            )
        if not found:
            raise UnknownNameError.of(
                "schedule",
                name,
                [row.name for row in rows if row.removed_at is None],
                "See `underbutler schedule list`.",
            )
        return found[0]

    def due(self, now: float) -> list[ScheduleRow]:
        """Return the entries whose time has come, the oldest first."""
        due = (Schedule.next_due <= now, Schedule.paused.is_(False), Schedule.removed_at.is_(None))
        with read(self._engine) as connection:
            found = connection.execute(_schedules().where(*due).order_by(Schedule.next_due, Schedule.name))
            return [ScheduleRow(**row._mapping) for row in found]

    def fire(
        self,
        entry: ScheduleRow,
        firings: Sequence[NewFiring],
        next_due: float | None,
        *,
        lane: str,
        fired_by: str,
    ) -> list[uuid.UUID]:
        """Record firings of an entry, and advance it, in one transaction.

        Nothing happens if somebody else has advanced, changed or paused it since `entry` was read; a slot that was
        fired before is not fired again.

        Returns
        -------
        fired
            Identities of what was recorded.
        """
        with write(self._engine) as connection:
            advanced = connection.execute(
                update(Schedule)
                .where(
                    Schedule.id == entry.id,
                    Schedule.next_due == entry.next_due,
                    Schedule.since == entry.since,
                    Schedule.paused.is_(False),
                    Schedule.removed_at.is_(None),
                )
                .values(next_due=next_due)
            )
            if not advanced.rowcount:
                return []
            return [
                made for one in firings if (made := insert_firing(connection, entry, one, lane, fired_by)) is not None
            ]

    def fire_by_hand(self, entry: ScheduleRow, due_at: float, *, lane: str, fired_by: str) -> uuid.UUID:
        """Record one firing beside an entry's slots, also of one that is paused; return its identity."""
        with write(self._engine) as connection:
            insert_firing(connection, entry, NewFiring(due_at=due_at), lane=lane, fired_by=fired_by)
        return firing_id(entry.id, due_at)

    def set_due(self, entry: ScheduleRow, next_due: float | None) -> bool:
        """Move the next firing of an entry, unless it was changed since it was read, or this slot was fired already."""
        fired = select(Firing.job_id).where(Firing.schedule_id == entry.id, Firing.due_at == next_due).exists()
        unchanged = (Schedule.id == entry.id, Schedule.since == entry.since, ~fired)
        with write(self._engine) as connection:
            return bool(connection.execute(update(Schedule).where(*unchanged).values(next_due=next_due)).rowcount)

    def set_error(self, entry: uuid.UUID, error: str | None) -> None:
        """Say what is wrong with an entry."""
        with write(self._engine) as connection:
            connection.execute(update(Schedule).where(Schedule.id == entry).values(error=kept(error)))

    def pause(self, entry: uuid.UUID, *, who: str) -> bool:
        """Pause an entry; return whether it was active before."""
        return self._set_paused(entry, True, {"changed_by": who, "changed_at": database_now()})

    def resume(self, entry: uuid.UUID, *, next_due: float | None, since: float, who: str) -> bool:
        """Let an entry fire again, from `next_due` on: what was due while it was paused is left out."""
        values = {"changed_by": who, "changed_at": database_now(), "next_due": next_due, "since": since}
        return self._set_paused(entry, False, values)

    def take_look(self, every_s: float) -> ScheduleRow | None:
        """Take one entry that waits for a last exposure and at which nobody has looked for so many seconds."""
        before = database_now() - every_s
        waiting = and_(
            Schedule.removed_at.is_(None),
            Schedule.paused.is_(False),
            Schedule.looked_at.is_not(None),
            Schedule.looked_at < before,
        )
        picked = select(Schedule.id).where(waiting).order_by(Schedule.looked_at).limit(1)
        taking = (
            update(Schedule)
            .where(Schedule.id.in_(picked.scalar_subquery()), waiting)
            .values(looked_at=database_now())
            .returning(*Schedule.__table__.columns)
        )
        with write(self._engine) as connection:
            row = connection.execute(taking).one_or_none()
        return None if row is None else ScheduleRow(**row._mapping)

    def waits_for_a_look(self, every_s: float) -> bool:
        """Tell whether `take_look` would return something."""
        waiting = (
            Schedule.removed_at.is_(None),
            Schedule.paused.is_(False),
            Schedule.looked_at < database_now() - every_s,
        )
        with read(self._engine) as connection:
            return connection.execute(select(Schedule.id).where(*waiting).limit(1)).first() is not None

    def _found(self, *conditions: ColumnElement[bool]) -> list[ScheduleRow]:
        with read(self._engine) as connection:
            found = connection.execute(_schedules().where(*conditions).order_by(Schedule.name))
            return [ScheduleRow(**row._mapping) for row in found]

    def _set_paused(self, entry: uuid.UUID, paused: bool, values: Mapping[str, Any]) -> bool:
        other = (Schedule.id == entry, Schedule.paused.is_(not paused))
        with write(self._engine) as connection:
            return bool(connection.execute(update(Schedule).where(*other).values(paused=paused, **values)).rowcount)


def _schedules() -> Select[Any]:
    return select(*Schedule.__table__.columns)


def _brought(connection: Connection, entry: NewSchedule, before: Any, values: dict[str, Any]) -> bool:
    """Insert or update one entry; return whether it is another now."""
    now = values["changed_at"]
    if entry.definition is None:
        if before is None:
            row = {"id": schedule_id(entry.name), "name": entry.name, "error": kept(entry.error), "since": now}
            connection.execute(insertion(connection)(Schedule).values(paused=False, **row, **values))
            return True
        connection.execute(update(Schedule).where(Schedule.id == before.id).values(error=kept(entry.error)))
        return bool(before.error != entry.error)
    definition = dict(entry.definition)
    looks = "after_last_exposure" in definition["when"]
    clock = {"next_due": entry.next_due, "since": now, "looked_at": 0.0 if looks else None}
    words = {"definition": definition, "error": None, "removed_at": None, **values}
    if before is None:
        row = {"id": schedule_id(entry.name), "name": entry.name, "paused": False}
        connection.execute(insertion(connection)(Schedule).values(**row, **words, **clock))
        return True
    same = before.definition == definition and before.removed_at is None
    if same and before.error is None:
        return False
    same_clock = before.removed_at is None and _clock_of(before.definition) == _clock_of(definition)
    connection.execute(update(Schedule).where(Schedule.id == before.id).values(words if same_clock else words | clock))
    return True


def _clock_of(definition: Mapping[str, Any] | None) -> object:
    """Return what the slots of an entry follow from."""
    if definition is None:
        return None
    when = definition["when"]
    uses_site = when.get("sun") or when.get("only_at_night") or (when.get("crontab") and not when.get("time_zone"))
    return when, definition.get("site") if uses_site else None
