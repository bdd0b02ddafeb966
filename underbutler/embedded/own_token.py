"""The token of an embedded stack: good for everything on it, and over when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from underbutler.model.bearer import SCOPES, new_bearer
from underbutler.records import JobStore, NewCredential
from underbutler.redaction import hide
from underbutler.settings import Settings
from underbutler.sql import open_engine

__all__ = ["own_token"]

NOTE: Final = "underbutler up"


@contextmanager
def own_token(settings: Settings) -> Iterator[str]:
    """Give a token that is good inside the block. Those of stacks that were killed are revoked first."""
    engine = open_engine(settings.records_url, settings.database_wait_s)
    try:
        credentials = JobStore(engine).credentials
        for left in credentials.known():
            if left.note == NOTE and left.live:
                credentials.revoke(left.id)
        bearer = new_bearer()
        hide(bearer.secret, always=True)
        new = NewCredential(id=bearer.id, digest=bearer.digest, user=settings.user, note=NOTE, scopes=list(SCOPES))
        credentials.add(new)
        try:
            yield bearer.secret
        finally:
            credentials.revoke(bearer.id)
    finally:
        engine.dispose()
