"""Delegated access tokens, encrypted by their owner: the records see a ciphertext."""

from __future__ import annotations

from sqlalchemy import delete, select

from underbutler.records.tables.service import Token
from underbutler.records.values.service import TokenRow
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, read, write

__all__ = ["Tokens"]


class Tokens(StorePart):
    """Rows of access tokens."""

    def keep(self, handle: str, user: str, ciphertext: bytes, expires_at: float) -> None:
        """Keep a token under a handle; the same handle again replaces it.

        Parameters
        ----------
        handle
            What messages carry.
        user
            Whose it is.
        ciphertext
            The token, encrypted.
        expires_at
            When it expires, seconds since 1970 UTC.
        """
        with write(self._engine) as connection:
            insert = insertion(connection)(Token).values(
                handle=handle, user=user, ciphertext=ciphertext, expires_at=expires_at, created_at=database_now()
            )
            changed = {name: insert.excluded[name] for name in ("user", "ciphertext", "expires_at", "created_at")}
            connection.execute(insert.on_conflict_do_update(index_elements=[Token.handle], set_=changed))

    def get(self, handle: str) -> TokenRow | None:
        """Return a token by its handle; None when it is not kept (any more)."""
        expired = (Token.expires_at <= database_now()).label("expired")
        with read(self._engine) as connection:
            row = connection.execute(
                select(*Token.__table__.columns, expired).where(Token.handle == handle)
            ).one_or_none()
        return None if row is None else TokenRow(**dict(row._mapping) | {"expired": bool(row.expired)})

    def forget_expired(self, expired_for_s: float = 0.0) -> int:
        """Remove tokens that have been expired for so many seconds; return how many."""
        with write(self._engine) as connection:
            gone = connection.execute(delete(Token).where(Token.expires_at <= database_now() - expired_for_s))
        return gone.rowcount
