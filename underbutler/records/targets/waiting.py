"""Targets that nobody holds: what must wait, is held, or whose message is lost."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from underbutler.errors import UnknownNameError
from underbutler.model.fingerprint import fingerprint_of, normalised
from underbutler.model.job import TargetState
from underbutler.sql import database_now, read, write

from .counting import end_targets
from .face import Face
from .fence import kept
from .tables import SENT, Target
from .values import StandDown, StandDownReason

__all__ = ["Waiting"]

_UNHELD = (Target.state.in_([TargetState.QUEUED, TargetState.DELIVERING]), Target.lease_until.is_(None))
_BATCH = 500


class Waiting(Face):
    """Targets that nobody holds."""

    def defer(
        self,
        target: uuid.UUID,
        digest: str,
        send_no: int,
        *,
        reason: str,
        delay_s: float,
        hold_after_s: float | None = None,
    ) -> TargetState:
        """Let a target wait whose message cannot be run here: it is sent again later, perhaps to another worker.

        Parameters
        ----------
        target, digest, send_no
            As in the message's header. An older sending, and a target that somebody holds, change nothing.
        reason
            Why, for people.
        delay_s
            Nobody may claim it before, seconds from now.
        hold_after_s
            Hold it when it has waited for reasons of this kind for so long, in seconds; None: never.

        Returns
        -------
        state
            What the target is now.

        Raises
        ------
        StandDown
            If the target is unknown or of another digest.
        """
        with write(self._engine) as connection:
            row = _lock(connection, target)
            if row is None:
                raise StandDown(StandDownReason.UNKNOWN, target, "the records do not know it.")
            if row.digest != digest:
                raise StandDown(StandDownReason.DIGEST, target, "the message is an old copy.")
            if row.state.ended or row.lease_until is not None or row.send_no != send_no:
                return TargetState(row.state)
            since = row.now
            if row.waiting_since is not None and normalised(row.waiting_reason or "") == normalised(reason):
                since = row.waiting_since
            waiting = {"waiting_since": since, "waiting_reason": kept(reason)}
            if hold_after_s is not None and row.now - since >= hold_after_s:
                return _hold(connection, row, reason, "Held", **waiting)
            _not_sent(connection, Target.id == target, not_before=row.now + delay_s, **waiting)
            return TargetState(row.state)

    def hold(self, target: uuid.UUID, reason: str, *, error_type: str = "Held") -> TargetState:
        """Hold a target that nobody holds a claim of; another one stays as it is. Return its state.

        Parameters
        ----------
        target
            Which.
        reason
            Why, for people.
        error_type
            The same for programs.

        Raises
        ------
        UnknownNameError
            If there is no such target.
        """
        with write(self._engine) as connection:
            row = _lock(connection, target)
            if row is None:
                raise UnknownNameError(
                    f"No target has the id {target}. List a job's: `underbutler status JOB`.", name=str(target)
                )
            if row.state.ended or row.lease_until is not None:
                return TargetState(row.state)
            return _hold(connection, row, reason, error_type)

    def lost(self, target: uuid.UUID, send_no: int) -> bool:
        """Say that a message is known to be lost, e.g. with a child that died before it claimed: it is sent again.

        Returns
        -------
        changed
            False when the target was claimed, has ended, or was sent anew since.
        """
        with write(self._engine) as connection:
            return _not_sent(connection, Target.id == target, Target.send_no == send_no) > 0

    def died_unclaimed(self, target: uuid.UUID, send_no: int, *, reason: str, max_deaths: int) -> TargetState | None:
        """Say that a child ended with a message before it claimed: it counts as a death, and the message is sent again.

        Parameters
        ----------
        target, send_no
            Which message.
        reason
            How the child ended, for people.
        max_deaths
            The target is held at so many deaths: else such a message would go round for ever.

        Returns
        -------
        state
            What the target is now; None when it was claimed, has ended, was sent anew since, or this is known already.
        """
        with write(self._engine) as connection:
            row = _lock(connection, target)
            if row is None or row.state.ended or row.lease_until is not None or row.send_no != send_no:
                return None
            if row.sent_at is None and row.send_lease_until is None:
                return None
            deaths = row.deaths + 1
            words = f"its process ended before it had claimed, {deaths} deaths in all: {reason}"
            if deaths >= max_deaths:
                return _hold(connection, row, words, "Held", deaths=deaths)
            _not_sent(connection, Target.id == target, deaths=deaths, waiting_reason=kept(words))
            return TargetState(row.state)

    def forget_sent(self, sent: Iterable[tuple[uuid.UUID, int]]) -> int:
        """Say that messages, by target and number of sending, were lost by the broker: they are sent again.

        Returns
        -------
        forgotten
            How many: not those that were claimed, have ended, or were sent anew since.
        """
        forgotten, wanted = 0, sorted(sent)
        with write(self._engine) as connection:
            for start in range(0, len(wanted), _BATCH):
                batch = tuple_(Target.id, Target.send_no).in_(wanted[start : start + _BATCH])
                forgotten += _not_sent(connection, batch, Target.sent_at.is_not(None))
        return forgotten

    def oldest_sent(self, queue: str, limit: int, older_than_s: float = 0.0) -> list[tuple[uuid.UUID, int]]:
        """Return what should be in a queue for the longest time, by target and number of sending.

        Parameters
        ----------
        queue
            Which.
        limit
            How many at most.
        older_than_s
            Only what was sent so long ago, in seconds.
        """
        with read(self._engine) as connection:
            rows = connection.execute(
                select(Target.id, Target.send_no)
                .where(SENT, Target.queue == queue, Target.sent_at <= database_now() - older_than_s)
                .order_by(Target.sent_at, Target.ordinal)
                .limit(limit)
            )
            return [(row.id, row.send_no) for row in rows]

    def queued_and_sent(self, queue: str, older_than_s: float = 0.0) -> int:
        """Return how many messages a queue should hold; parameters as of `oldest_sent`."""
        sent_before = Target.sent_at <= database_now() - older_than_s
        counting = select(func.count()).select_from(Target).where(SENT, Target.queue == queue, sent_before)
        with read(self._engine) as connection:
            return int(connection.execute(counting).scalar_one())

    def queues(self) -> list[str]:
        """Return the queues that should hold messages."""
        with read(self._engine) as connection:
            return list(
                connection.execute(select(Target.queue).where(SENT).distinct().order_by(Target.queue)).scalars()
            )


def _lock(connection: Connection, target: uuid.UUID) -> Any:
    return connection.execute(
        select(
            Target.id,
            Target.job_id,
            Target.state,
            Target.digest,
            Target.send_no,
            Target.sent_at,
            Target.send_lease_until,
            Target.deaths,
            Target.lease_until,
            Target.waiting_since,
            Target.waiting_reason,
            database_now().label("now"),
        )
        .where(Target.id == target)
        .with_for_update(key_share=True)
    ).one_or_none()


def _hold(connection: Connection, row: Any, reason: str, error_type: str, **values: Any) -> TargetState:
    connection.execute(
        update(Target)
        .where(Target.id == row.id)
        .values(
            state=TargetState.HELD,
            ended_at=row.now,
            error_type=error_type,
            error_text=kept(reason),
            fingerprint=fingerprint_of(error_type, reason),
            **values,
        )
    )
    end_targets(connection, row.job_id, [row.id])
    return TargetState.HELD


def _not_sent(connection: Connection, *conditions: ColumnElement[bool], **values: Any) -> int:
    """Let messages of targets that nobody holds be sent again; locked in order, as everywhere."""
    wanted = select(Target.id).where(*_UNHELD, *conditions).order_by(Target.id)
    locked = wanted.with_for_update(key_share=True).cte("locked")
    changed: Sequence[Any] = connection.execute(
        update(Target)
        .where(Target.id.in_(select(locked.c.id)))
        .values(sent_at=None, send_lease_until=None, **values)
        .returning(Target.id)
    ).all()
    return len(changed)
