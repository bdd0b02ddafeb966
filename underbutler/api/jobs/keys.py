"""A request that comes several times with one key makes one job."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from underbutler.errors import ConflictError, RecordsUnavailableError, TransientError, UsageError
from underbutler.model.identity import new_id

if TYPE_CHECKING:
    import uuid

    from underbutler.api.auth.principal import Principal
    from underbutler.pipe.request import JobRequest
    from underbutler.records import JobRow

    from .site import Site

__all__ = ["Repeated", "once"]

LEASE_S: Final = 120.0
"""If the job of a key does not exist after so long, whoever comes with the key makes it, in seconds."""
PATIENCE_S: Final = 30.0
"""So long does a repetition wait for the job that the first one makes, in seconds."""
LOOK_S: Final = 0.1

_LOCKS: Final = tuple(threading.Lock() for _ in range(64))
"""Repetitions in this process wait for each other without asking the records; two keys seldom share one."""


class Repeated(Exception):  # noqa: N818 - it is no error: the job is there
    """The request came before.

    Parameters
    ----------
    row
        The job that it made.
    """

    def __init__(self, row: JobRow) -> None:
        super().__init__(str(row.id))
        self.row = row


@contextmanager
def once(site: Site, who: Principal, key: str | None, request: JobRequest) -> Iterator[uuid.UUID]:
    """Yield the identity of the job that the block is to make.

    A block that fails frees the key; one whose process dies leaves it, and the next one makes the same job.

    Raises
    ------
    Repeated
        If the request came before, with the job that it made.
    ConflictError
        If the key came with another request.
    TransientError
        If somebody else makes the job still.
    """
    if key is None:
        yield new_id()
        return
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise UsageError("Idempotency-Key: write 1 to 255 printable characters, e.g. a UUID.", field="Idempotency-Key")
    digest = hashlib.sha256(json.dumps(request.to_json(), sort_keys=True).encode()).hexdigest()
    with _LOCKS[hash((who.user, key)) % len(_LOCKS)]:
        job = _taken(site, who.user, key, digest)
        try:
            yield job
        except RecordsUnavailableError:
            raise  # nobody knows whether the job exists
        except BaseException:
            site.jobs.request_keys.give_back(who.user, key)
            raise


def _taken(site: Site, user: str, key: str, digest: str) -> uuid.UUID:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = site.jobs.request_keys.take(user, key, digest, new_id(), LEASE_S)
        if found.digest != digest:
            raise ConflictError(
                "Idempotency-Key: another request came with this key. Send this one with a key of its own.",
                field="Idempotency-Key",
            )
        if found.mine:
            return found.job_id
        row = site.jobs.read.job_if_any(found.job_id)
        if row is not None:
            raise Repeated(row)
        if time.monotonic() > deadline:
            raise TransientError("The first request with this Idempotency-Key is still on its way. Send it again.")
        time.sleep(LOOK_S)
