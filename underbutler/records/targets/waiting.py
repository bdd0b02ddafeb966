"""Targets that nobody holds: what must wait, and what is held."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, select, update

from underbutler.errors import UnknownNameError
from underbutler.model.fingerprint import fingerprint_of, normalised
from underbutler.model.job import TargetState
from underbutler.records.tables.jobs import Target
from underbutler.records.values.jobs import StandDown, StandDownReason
from underbutler.records.writing.counting import end_targets
from underbutler.records.writing.fence import kept
from underbutler.records.writing.recorder import Recorder
from underbutler.records.writing.store_part import RecordedPart
from underbutler.sql import database_now, write

from .outbox import send_again

__all__ = ["Waiting"]


class Waiting(RecordedPart):
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
                raise StandDown(StandDownReason.UNKNOWN, target, "not found in the job database.")
            if row.digest != digest:
                raise StandDown(StandDownReason.DIGEST, target, "the message is an old copy.")
            if row.state.ended or row.lease_until is not None or row.send_no != send_no:
                return TargetState(row.state)
            since = row.now
            if row.waiting_since is not None and normalised(row.waiting_reason or "") == normalised(reason):
                since = row.waiting_since
            waiting = {"waiting_since": since, "waiting_reason": kept(reason)}
            if hold_after_s is not None and row.now - since >= hold_after_s:
                return _hold(connection, self._recorder, row, reason, "Held", **waiting)
            send_again(connection, Target.id == target, not_before=row.now + delay_s, **waiting)
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
            return _hold(connection, self._recorder, row, reason, error_type)

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
                return _hold(connection, self._recorder, row, words, "Held", deaths=deaths)
            send_again(connection, Target.id == target, deaths=deaths, waiting_reason=kept(words))
            return TargetState(row.state)


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


def _hold(
    connection: Connection, recorder: Recorder, row: Any, reason: str, error_type: str, **values: Any
) -> TargetState:
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
    end_targets(connection, recorder, row.job_id, [row.id])
    return TargetState.HELD
