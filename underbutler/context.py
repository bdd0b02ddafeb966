"""What one worker process has open: records, butlers, annex, publisher.

Opened after the fork, because neither a database connection nor a Butler factory survives one, and closed when the
process ends. Each part is made at its first use.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

from underbutler import metrics
from underbutler.annex import NoticePublisher, make_client
from underbutler.butlers import Repositories
from underbutler.errors import UnderbutlerError
from underbutler.recording import JobRecorder
from underbutler.records import JobRow, JobStore, StepRow
from underbutler.s3 import is_stale
from underbutler.settings import Settings, load_settings
from underbutler.sql import open_engine
from underbutler.submission.tokens import TokenVault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Engine

    from underbutler.model.notice import LargeFileObjectAvailable
    from underbutler.pipe import CmdLineTask

__all__ = ["ServiceContext"]

KEPT = 32
"""How many jobs and configs a process remembers."""

K = TypeVar("K")
V = TypeVar("V")


class ServiceContext:
    """What one process has open. Thread-safe; never to be carried over a fork.

    Parameters
    ----------
    settings
        Where everything is; default: the environment.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._jobs_read: OrderedDict[uuid.UUID, JobRow] = OrderedDict()
        self._configs: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._keeping = threading.RLock()
        self._publishing = threading.Lock()
        self._s3: Any = None
        self._universes: dict[str, tuple[str, int]] = {}
        self.opened_labels: set[str] = set()
        """Repositories that this process has opened since they last failed to open: their breakers are closed."""
        self.annex_was_away = False
        """Whether the latest delivery of this process found the annex away."""

    @cached_property
    def engine(self) -> Engine:
        """The records' database."""
        return open_engine(self.settings.records_url, self.settings.database_wait_s)

    @cached_property
    def jobs(self) -> JobStore:
        """The records."""
        return JobStore(self.engine, JobRecorder())

    def job(self, job: uuid.UUID) -> JobRow:
        """Return what never changes of a job (steps, collections, RUN): read once per process and job."""
        return self._kept("jobs", self._jobs_read, job, lambda: self.jobs.read.job(job))

    def job_and_config(
        self, job: uuid.UUID, ordinal: int, task_class: type[CmdLineTask]
    ) -> tuple[JobRow, StepRow, Any]:
        """Return a job, one of its steps, and that step's effective config, validated and frozen.

        Raises
        ------
        UsageError
            If this release's task does not take the job's overrides.
        """
        from underbutler.pipe import effective_config

        row = self.job(job)
        step = row.steps[ordinal]
        key = (step.task, step.config_digest)
        config = self._kept("configs", self._configs, key, lambda: effective_config(task_class, step.overrides))
        return row, step, config

    def _kept(self, name: str, kept: OrderedDict[K, V], key: K, make: Callable[[], V]) -> V:
        with self._keeping:
            metrics.CACHE_READS.count(cache=name, outcome="hit" if key in kept else "miss")
            if key not in kept:
                kept[key] = make()
                while len(kept) > KEPT:
                    kept.popitem(last=False)
            return kept[key]

    def token(self, handle: str | None) -> str | None:
        """Redeem the handle of an access token; None for a job that was given none. It is hidden from logs from now on.

        Raises
        ------
        TokenExpiredError
            If it has expired or is not known any more: the target is to be held with this reason.
        """
        return None if handle is None else TokenVault(self.jobs, self.settings).redeem(handle)

    @cached_property
    def repositories(self) -> Repositories:
        """The butlers of this process."""
        return Repositories(self.settings)

    def universe(self, label: str, *, writeable: bool) -> tuple[str, int] | None:
        """Return namespace and version of a repository's dimension universe, as this process reads it.

        Parameters
        ----------
        label
            Label of the repository.
        writeable
            Which of its factories is asked: that which will be used next, so that no other is made.

        Returns
        -------
        universe
            None if it cannot be told now: whoever opens the repository next says why.
        """
        if label not in self._universes:
            try:
                with self.repositories.butler(label, writeable=writeable) as butler:
                    self._universes[label] = (str(butler.dimensions.namespace), int(butler.dimensions.version))
            except UnderbutlerError:
                return None
        return self._universes[label]

    @property
    def s3(self) -> Any:
        """The annex's S3 client; another one after its credentials have expired, because there may be new ones."""
        with self._keeping:
            if self._s3 is None or is_stale(self._s3):
                self._s3 = make_client(self.settings, timeout_s=self.settings.annex_timeout_s)
            return self._s3

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
        if self._s3 is not None:
            self._s3.close()
            self._s3 = None
        for name, end in (("_publisher", "close"), ("repositories", "close"), ("engine", "dispose")):
            if name in opened:
                getattr(opened.pop(name), end)()
        opened.pop("jobs", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
