"""What one worker process has open: records, butlers, annex, publisher.

Opened after the fork, because neither a database connection nor a Butler factory survives one, and closed when the
process ends. Each part is made at its first use. May import annex, records, pipe and what is below.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from underbutler.annex import NoticePublisher, make_client
from underbutler.butlers import Repositories
from underbutler.records import JobRow, JobStore
from underbutler.settings import Settings, load_settings
from underbutler.sql import open_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from underbutler.model.notice import LargeFileObjectAvailable

__all__ = ["WorkerContext"]

JOBS_KEPT = 32


class WorkerContext:
    """What one process has open. Thread-safe; never to be carried over a fork.

    Parameters
    ----------
    settings
        Where everything is; default: the environment.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._jobs_read: OrderedDict[uuid.UUID, JobRow] = OrderedDict()
        self._publishing = threading.Lock()

    @cached_property
    def engine(self) -> Engine:
        """The records' database."""
        return open_engine(self.settings.records_url, self.settings.database_wait_s)

    @cached_property
    def jobs(self) -> JobStore:
        """The records."""
        return JobStore(self.engine)

    def job(self, job: uuid.UUID) -> JobRow:
        """Return what never changes of a job (task, config, options, RUN): read once per process and job."""
        if job not in self._jobs_read:
            self._jobs_read[job] = self.jobs.job(job)
            while len(self._jobs_read) > JOBS_KEPT:
                self._jobs_read.popitem(last=False)
        return self._jobs_read[job]

    @cached_property
    def repositories(self) -> Repositories:
        """The butlers of this process."""
        return Repositories(self.settings)

    @cached_property
    def s3(self) -> Any:
        """The annex's S3 client."""
        return make_client(self.settings)

    @cached_property
    def _publisher(self) -> NoticePublisher:
        return NoticePublisher(self.settings)

    def publish(self, notices: Sequence[LargeFileObjectAvailable]) -> None:
        """Publish notices, one caller at a time: a broker connection belongs to one thread.

        Raises
        ------
        BrokerUnavailableError
            If the broker does not confirm them.
        """
        with self._publishing:
            self._publisher.publish(notices)

    def close(self) -> None:
        """Close what was opened."""
        opened = self.__dict__
        for name, end in (("_publisher", "close"), ("repositories", "close"), ("s3", "close"), ("engine", "dispose")):
            if name in opened:
                getattr(opened.pop(name), end)()
        opened.pop("jobs", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
