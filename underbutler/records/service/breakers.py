"""Circuit breakers, one per repository label: a label that keeps failing to open is not opened for a growing time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from underbutler.records.tables.service import Breaker
from underbutler.records.values.service import BreakerRow
from underbutler.records.writing.fence import kept
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Breakers"]


class Breakers(StorePart):
    """Circuit breakers of repository labels."""

    def count_failure(self, label: str, reason: str, *, failures: int, open_s: float, cap_s: float) -> float | None:
        """Count that a label could not be opened.

        Parameters
        ----------
        label
            Which repository.
        reason
            Why, for people.
        failures
            After so many in a row its breaker opens; after it was open, one more opens it again for twice the time.
        open_s, cap_s
            The first time that it is open, and the longest, in seconds.

        Returns
        -------
        open_until
            None while the breaker is closed. Failures while it is open do not prolong it.
        """
        with write(self._engine) as connection:
            row = _lock(connection, label)
            values: dict[str, Any] = {"failures": row.failures + 1, "reason": kept(reason), "changed_at": row.now}
            is_open = row.open_until is not None and row.open_until > row.now
            open_until = row.open_until if is_open else None
            if not is_open and row.failures + 1 >= failures:
                open_until = row.now + min(cap_s, open_s * 2.0 ** min(row.trips, 64))
                values |= {"open_until": open_until, "trips": row.trips + 1}
            connection.execute(update(Breaker).where(Breaker.label == label).values(values))
        return open_until

    def close(self, label: str) -> bool:
        """Say that a label was opened; return whether there was anything to forget (else it only reads)."""
        failed = (Breaker.label == label) & (Breaker.failures > 0)
        with read(self._engine) as connection:
            if connection.execute(select(Breaker.label).where(failed)).one_or_none() is None:
                return False
        with write(self._engine) as connection:
            closed = connection.execute(
                update(Breaker).where(failed).values(failures=0, trips=0, open_until=None, changed_at=database_now())
            )
        return closed.rowcount > 0

    def failing(self) -> list[BreakerRow]:
        """Return the breakers that have counted a failure, by label."""
        wanted = select(*Breaker.__table__.columns).where(Breaker.failures > 0).order_by(Breaker.label)
        with read(self._engine) as connection:
            return [BreakerRow(**row._mapping) for row in connection.execute(wanted)]


def _lock(connection: Connection, label: str) -> Any:
    """Lock the row of a label, made if there is none."""
    connection.execute(
        insertion(connection)(Breaker)
        .values(label=label, failures=0, trips=0, reason="", changed_at=database_now())
        .on_conflict_do_nothing()
    )
    return connection.execute(
        select(Breaker.failures, Breaker.trips, Breaker.open_until, database_now().label("now"))
        .where(Breaker.label == label)
        .with_for_update()
    ).one()
