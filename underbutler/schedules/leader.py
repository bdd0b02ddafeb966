"""Which of several beats fires: the one that holds a lock which the operating system or the server frees when it dies.

On PostgreSQL an advisory lock on a session that is held, on SQLite a lock on a file beside the database. It saves the
others the work; that nothing fires twice is seen to by the rows.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from underbutler.errors import RecordsUnavailableError
from underbutler.sql import is_postgresql

__all__ = ["Leader"]

_LOCK: Final = 0x62656174
"""Key of the advisory lock."""

LOCK_SUFFIX: Final = ".beat.lock"


class Leader:
    """Asks for the lock, and keeps it.

    Parameters
    ----------
    engine
        The records. A connection of it is held for as long as this is the leader.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Connection | None = None
        self._file: int | None = None

    def hold(self) -> bool:
        """Tell whether this is the leader: it asks for the lock, or whether it is still held.

        Raises
        ------
        RecordsUnavailableError
            If the lock's file cannot be opened.
        """
        if is_postgresql(self._engine):
            return self._hold_session()
        return self._hold_file()

    def release(self) -> None:
        """Let another be the leader."""
        if self._session is not None:
            session, self._session = self._session, None
            with suppress(SQLAlchemyError):
                session.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            session.invalidate()  # and the lock goes with the session, whatever state it is in
            session.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _hold_session(self) -> bool:
        try:
            if self._session is not None:
                self._session.execute(text("SELECT 1"))
                return True
            session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            taken = session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar_one()
        except SQLAlchemyError:
            self.release()  # the tick asks the records next, and says what is wrong with them
            return False
        if taken:
            self._session = session
        else:
            session.close()
        return bool(taken)

    def _hold_file(self) -> bool:
        if self._file is not None:
            return True
        database = self._engine.url.database
        if not database or database == ":memory:":
            return True
        path = Path(f"{database}{LOCK_SUFFIX}")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RecordsUnavailableError(
                f"The lock of the schedule, {path}, cannot be opened: {error.strerror}. Its folder is that of the "
                "records, and beat must be able to write there.",
                path=str(path),
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._file = handle
        return True
