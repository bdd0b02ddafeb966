"""What is known of a client beside what it does: where its credentials came from, and whether they are over."""

from __future__ import annotations

from typing import Any, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

__all__ = ["S3Client", "credentials_of", "endpoint_of", "is_stale", "mark_stale", "note_credentials"]

S3Client: TypeAlias = Any
"""A boto3 client of S3; boto3 makes its classes at run time and ships no types."""

_UNKNOWN = "AWS_ACCESS_KEY_ID"

_credentials: WeakKeyDictionary[S3Client, str] = WeakKeyDictionary()
_stale: WeakSet[S3Client] = WeakSet()


def note_credentials(client: S3Client, source: str) -> None:
    """Note which variable, profile or role a client's credentials come from."""
    _credentials[client] = source


def credentials_of(client: S3Client) -> str:
    """Return which variable, profile or role a client's credentials come from, in words."""
    return _credentials.get(client, _UNKNOWN)


def mark_stale(client: S3Client) -> None:
    """Note that a client's credentials have expired: one that is made now may find new ones."""
    _stale.add(client)


def is_stale(client: S3Client) -> bool:
    """Tell whether a client's credentials have expired."""
    return client in _stale


def endpoint_of(client: S3Client) -> str:
    """Return the URL to which a client's requests go."""
    return str(client.meta.endpoint_url)
