"""Keys of requests that may come several times: each names one job, whoever comes first makes it."""

from __future__ import annotations

import uuid

from sqlalchemy import delete, select, update

from underbutler.records.tables.access import RequestKey
from underbutler.records.tables.jobs import Job
from underbutler.records.values.access import KeyRow
from underbutler.records.writing.insertion import insertion
from underbutler.records.writing.store_part import StorePart
from underbutler.sql import database_now, write

__all__ = ["RequestKeys"]


class RequestKeys(StorePart):
    """Rows of keys."""

    def take(self, user: str, key: str, digest: str, job: uuid.UUID, lease_s: float) -> KeyRow:
        """Take a key for a request, or return what it was taken for.

        Whoever has to make the job gets the identity that it has for all who ever come with this key: if its maker
        dies, the next one makes the same job.

        Parameters
        ----------
        user, key
            Whose key.
        digest
            Of the request: the same key with another one does not repeat it.
        job
            Identity of the job, if the key is new.
        lease_s
            So long nobody else makes the job, in seconds.
        """
        same = (RequestKey.user == user, RequestKey.key == key)
        now = database_now()
        made = select(Job.id).where(Job.id == RequestKey.job_id).exists()
        with write(self._engine) as connection:
            values = {"user": user, "key": key, "digest": digest, "job_id": job, "created_at": now}
            new = insertion(connection)(RequestKey).values(values | {"lease_until": now + lease_s})
            inserted = new.on_conflict_do_nothing().returning(RequestKey.job_id)
            mine = connection.execute(inserted).one_or_none() is not None
            if not mine:
                free = (*same, RequestKey.digest == digest, RequestKey.lease_until < now, ~made)
                taken = update(RequestKey).where(*free).values(lease_until=now + lease_s)
                mine = connection.execute(taken).rowcount == 1
            row = connection.execute(select(RequestKey.digest, RequestKey.job_id).where(*same)).one()
        return KeyRow(digest=row.digest, job_id=row.job_id, mine=mine)

    def give_back(self, user: str, key: str) -> None:
        """Forget a key of which no job came."""
        made = select(Job.id).where(Job.id == RequestKey.job_id).exists()
        with write(self._engine) as connection:
            connection.execute(delete(RequestKey).where(RequestKey.user == user, RequestKey.key == key, ~made))

    def forget_old(self, older_than_s: float) -> int:
        """Forget keys that were taken more than so many seconds ago; return how many."""
        with write(self._engine) as connection:
            gone = connection.execute(delete(RequestKey).where(RequestKey.created_at < database_now() - older_than_s))
        return gone.rowcount
