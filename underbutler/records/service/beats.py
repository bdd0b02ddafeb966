"""Beats as they tell of themselves: who fires the schedule, and what is wrong with the file that it read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, select

from underbutler.records.tables.service import SweepState
from underbutler.records.values.service import BeatRow
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Beats"]

_PREFIX: Final = "beat "
"""What the names of their rows begin with, in the table of what is remembered."""


class Beats(StorePart):
    """Rows of beats."""

    def mark_alive(self, name: str, *, leads: bool, since: float, faults: Sequence[str] = ()) -> None:
        """Record a beat, or that it was seen now.

        Parameters
        ----------
        name
            ``{host}/{pid}``.
        leads
            Whether it fires; the others wait until it is gone.
        since
            When it started, in seconds since 1970 UTC.
        faults
            What is wrong with the schedule's file, one line each.
        """
        body = {"leads": leads, "since": since, "faults": list(faults)}
        with write(self._engine) as connection:
            insert = insertion(connection)(SweepState).values(name=_PREFIX + name, at=database_now(), body=body)
            changed = {"at": insert.excluded["at"], "body": insert.excluded["body"]}
            connection.execute(insert.on_conflict_do_update(index_elements=[SweepState.name], set_=changed))

    def mark_ended(self, name: str) -> None:
        """Forget a beat that ends in order; a second time changes nothing."""
        with write(self._engine) as connection:
            connection.execute(delete(SweepState).where(SweepState.name == _PREFIX + name))

    def known(self) -> list[BeatRow]:
        """Return beats that have not ended in order, the one that was seen last first."""
        wanted = select(SweepState.name, SweepState.at, SweepState.body).where(
            SweepState.name.startswith(_PREFIX, autoescape=True)
        )
        with read(self._engine) as connection:
            rows = connection.execute(wanted.order_by(SweepState.at.desc(), SweepState.name)).all()
        return [_row(name.removeprefix(_PREFIX), at, body or {}) for name, at, body in rows]

    def forget(self, older_than_s: float) -> int:
        """Remove beats that were not seen for so many seconds; return how many."""
        gone = (SweepState.name.startswith(_PREFIX, autoescape=True), SweepState.at < database_now() - older_than_s)
        with write(self._engine) as connection:
            return connection.execute(delete(SweepState).where(*gone)).rowcount


def _row(name: str, at: float, body: dict[str, Any]) -> BeatRow:
    return BeatRow(
        name=name,
        seen_at=at,
        leads=bool(body.get("leads")),
        since=float(body.get("since") or at),
        faults=tuple(map(str, body.get("faults") or ())),
    )
