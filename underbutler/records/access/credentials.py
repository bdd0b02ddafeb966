"""Bearer tokens, by the digest of their secret: the records never see one."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, insert, or_, select, update

from underbutler.errors import UnknownNameError
from underbutler.records.tables.access import Credential
from underbutler.records.values.access import CredentialRow, NewCredential
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Credentials"]


def _live() -> ColumnElement[bool]:
    return and_(
        Credential.revoked_at.is_(None), or_(Credential.expires_at.is_(None), Credential.expires_at > database_now())
    )


_COLUMNS: Final = tuple(Credential.__table__.columns)


class Credentials(StorePart):
    """Rows of bearer tokens."""

    def add(self, new: NewCredential) -> CredentialRow:
        """Record a bearer token."""
        now = database_now()
        values = {
            "id": new.id,
            "digest": new.digest,
            "user": new.user,
            "note": new.note,
            "scopes": list(new.scopes),
            "repos": None if new.repos is None else list(new.repos),
            "created_at": now,
            "expires_at": None if new.lifetime_s is None else now + new.lifetime_s,
        }
        with write(self._engine) as connection:
            connection.execute(insert(Credential).values(values))
        return self.get(new.id)

    def get(self, name: str) -> CredentialRow:
        """Return a bearer token by its public part.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        found = self.find(name)
        if found is None:
            raise UnknownNameError(f"No token has the id {name!r}. List them: `underbutler token list`.", name=name)
        return found

    def find(self, name: str) -> CredentialRow | None:
        """Return a bearer token by its public part, or None."""
        with read(self._engine) as connection:
            row = connection.execute(_rows().where(Credential.id == name)).one_or_none()
        return None if row is None else _value(row)

    def known(self) -> list[CredentialRow]:
        """Return all bearer tokens, the newest first; those that are over too."""
        with read(self._engine) as connection:
            return [_value(row) for row in connection.execute(_rows().order_by(Credential.created_at.desc()))]

    def is_any_live(self) -> bool:
        """Tell whether there is one that is good now."""
        with read(self._engine) as connection:
            return connection.execute(select(Credential.id).where(_live()).limit(1)).one_or_none() is not None

    def note_use(self, name: str, every_s: float) -> None:
        """Note that a bearer token was used, unless that was noted within so many seconds."""
        stale = or_(Credential.used_at.is_(None), Credential.used_at < database_now() - every_s)
        with write(self._engine) as connection:
            connection.execute(update(Credential).where(Credential.id == name, stale).values(used_at=database_now()))

    def revoke(self, name: str) -> CredentialRow:
        """End a bearer token now; one that is over stays as it is.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        open_one = (Credential.id == name, Credential.revoked_at.is_(None))
        with write(self._engine) as connection:
            connection.execute(update(Credential).where(*open_one).values(revoked_at=database_now()))
        return self.get(name)

    def expire(self, name: str, in_s: float) -> CredentialRow:
        """Let a bearer token end so many seconds from now, or earlier if it would anyhow.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        end = database_now() + in_s
        later = or_(Credential.expires_at.is_(None), Credential.expires_at > end)
        with write(self._engine) as connection:
            connection.execute(update(Credential).where(Credential.id == name, later).values(expires_at=end))
        return self.get(name)


def _rows() -> Any:
    return select(*_COLUMNS, _live().label("live"))


def _value(row: Any) -> CredentialRow:
    return CredentialRow(**dict(row._mapping) | {"live": bool(row.live)})
