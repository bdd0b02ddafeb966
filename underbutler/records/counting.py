"""A job's counters and phase: changed by whoever ends targets, in the same transaction and after their rows."""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy import Connection, Uuid, bindparam, text

from underbutler.sql import NOW

__all__ = ["COUNT_ENDED", "count_ended"]

COUNT_ENDED: Final = """UPDATE job SET
            n_open = n_open - :ended, n_failed = n_failed + :failed, n_aborted = n_aborted + :aborted,
            phase = CASE
                WHEN n_open > :ended THEN phase
                WHEN cancel_requested AND n_aborted + :aborted > 0 THEN 'ABORTED'
                WHEN n_failed + :failed > 0 THEN 'ERROR'
                WHEN n_aborted + :aborted > 0 THEN 'ABORTED'
                ELSE 'COMPLETED' END,
            ended_at = CASE WHEN n_open > :ended THEN NULL ELSE {now} END"""
"""Count targets that have ended, and with the last one end the job; a ``WHERE`` names the job."""


def count_ended(connection: Connection, job: uuid.UUID, *, failed: int = 0, aborted: int = 0, other: int = 0) -> None:
    """Count targets of a job that have just ended, and with the last one end the job."""
    sentence = f"{COUNT_ENDED.format(now=NOW[connection.dialect.name])} WHERE id = :job"
    connection.execute(
        text(sentence).bindparams(bindparam("job", type_=Uuid())),
        {"job": job, "ended": failed + aborted + other, "failed": failed, "aborted": aborted},
    )
