"""A place to drill in: broker, records, annex behind the fault proxy, workers, sweeper, and a consumer of notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import redis

from tests.support.annex_faults import FaultyS3
from tests.support.drills.facts import Facts, Heard, facts_of
from tests.support.drills.worker import DrillWorker
from tests.support.services import S3Endpoint, eventually
from tests.support.warm_processes import MODULE, WarmService
from underbutler.annex import NoticeConsumer, bucket_for, make_client
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.embedded.process import Guard
from underbutler.embedded.stack import make_buckets
from underbutler.errors import BrokerUnavailableError, RecordsUnavailableError
from underbutler.model.job import Phase, TargetState
from underbutler.records import ClaimRow, JobRow
from underbutler.settings import Settings
from underbutler.submission.sending import send

__all__ = ["DrillSite"]

PROGRAM = Path(sys.executable).parent / "underbutler"
FIRST = 2026112000001
OPTIONS = ("--no-versions",)
ONE = ("--id", "instrument=SIMCAM", "detector=0", f"exposure={FIRST}", *OPTIONS)

TIDY_S = 20.0
"""So long after its end a job's notices may still be on their way, and what dead claims left be there, in seconds."""

SHORT: dict[str, Any] = {
    "lease_s": 5.0,
    "sweep_interval_s": 1.0,
    "outbox_grace_s": 2.0,
    "visibility_timeout_s": 10,
    "retry_base_s": 0.5,
    "retry_cap_s": 4.0,
    "soft_shutdown_s": 2.0,
    "hard_limit_s": 120,
    "max_transient_retries": 200,
    "unknown_wait_s": 20.0,
    "breaker_open_s": 2.0,
    "breaker_cap_s": 4.0,
    "annex_timeout_s": 1.0,
}
"""What takes minutes in production takes seconds here."""


class DrillSite:
    """Everything that runs, and what can be done to it.

    Parameters
    ----------
    home
        Folder of records, repository, logs.
    broker_url
        The broker, which whoever made it may break.
    store
        The S3 server; everybody here goes to it through `faults`.
    database_url
        The records; default a SQLite file.
    registry_url
        The repository's registry; default a SQLite file.
    packages
        Folder in which the drills' tasks are installed.
    **settings
        More settings of Underbutler, by field name.
    """

    def __init__(
        self,
        home: Path,
        *,
        broker_url: str,
        store: S3Endpoint,
        packages: Path,
        guard: Guard,
        database_url: str | None = None,
        registry_url: str | None = None,
        exposures: int = 60,
        **settings: object,
    ) -> None:
        self.home = home
        self.store = store
        self.guard = guard
        self.faults = FaultyS3(store.url)
        self.workers: list[DrillWorker] = []
        self.heard = Heard()
        self._broker_url = broker_url
        self._database_url = database_url
        self._registry_url = registry_url
        self._packages = packages
        self._exposures = exposures
        self._more = settings
        self.sweepers: list[WarmService] = []
        self._numbers = iter(range(1, 10**6))
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self.faults.__enter__()
        given: dict[str, Any] = {
            **SHORT,
            "home": self.home,
            "user": "driller",
            "broker_url": self._broker_url,
            "database_url": self._database_url,
            "s3_endpoint_url": self.faults.url,
            "s3_access_key_id": self.store.access_key,
            "s3_secret_access_key": self.store.secret_key,
            "s3_instance": f"d{os.getpid()}{next(SITES)}",
            **self._more,
        }
        self.variables = {
            f"UNDERBUTLER_{name.upper()}": str(value) for name, value in given.items() if value is not None
        }
        self.variables |= {
            "PYTHONPATH": os.pathsep.join([str(self._packages), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        self.settings = Settings(_env_file=None, **given)
        self.context = ServiceContext(self.settings)
        self.app = make_app(self.settings)
        self.s3 = make_client(self.settings.model_copy(update={"s3_endpoint_url": self.store.url}))
        self._fill()
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for sweeper in self.sweepers:
            sweeper.kill()
            sweeper.stop()
        for worker in self.workers:
            worker.end()
        self._listener.join(10)
        self.app.close()
        self.context.close()
        self.s3.close()
        self.faults.__exit__()

    def _fill(self) -> None:
        from underbutler.butlers import create_repository, ingest_files
        from underbutler.migrations import upgrade
        from underbutler.testing.night import simulate_night

        upgrade(self.settings.records_url)
        create_repository(self.home / "repo", "demo", self.settings, registry_url=self._registry_url)
        make_buckets(self.settings)
        night = simulate_night(
            self.home / "night", n_bias=self._exposures, n_flat=0, n_science=0, shape=(64, 64), detectors=(0,)
        )
        report = ingest_files(self.context.repositories, "demo", night.files, transfer="direct")
        assert len(report.ingested) == self._exposures
        make_buckets(self.settings)  # of the instrument that came with the frames

    def environment(self) -> dict[str, str]:
        """Return the environment of a program that belongs to this site."""
        return {**os.environ, "PYTHONUNBUFFERED": "1", **self.variables}

    # Who works here

    def worker(self, *, concurrency: int = 2, **settings: object) -> DrillWorker:
        """Start a worker; `ready` of it waits until it consumes. Settings are those of Underbutler, by field name."""
        own = {f"UNDERBUTLER_{name.upper()}": str(value) for name, value in settings.items()}
        worker = DrillWorker(
            f"worker{next(self._numbers)}",
            "workers.celery",
            self.home / "workers",
            self.variables | own,
            self.guard,
            concurrency=concurrency,
        )
        worker.plain = not settings and concurrency == 2
        self.workers.append(worker)
        return worker

    def only(self, count: int = 1) -> list[DrillWorker]:
        """Have exactly so many plain workers of two children and one sweeper: what else drills left is ended."""
        kept = [worker for worker in self.workers if worker.alive and worker.plain][:count]
        for worker in self.workers:
            if worker not in kept:
                worker.end()
        self.workers[:] = kept
        for sweeper in self.sweepers[1:]:
            sweeper.kill()
            sweeper.stop()
        del self.sweepers[1:]
        if not self.sweepers or self.sweepers[0].exit_code is not None:
            self.sweepers[:] = [self.sweeper()]
        for _ in range(count - len(kept)):
            self.worker()
        return [worker.ready() for worker in self.workers]

    def sweeper(self, *words: str) -> WarmService:
        """Start beat, or with words ``underbutler sweep`` and these words."""
        folder = self.home / "sweepers"
        folder.mkdir(exist_ok=True)
        number = next(self._numbers)
        beat = ["celery", "-A", "beat.celery", "beat", "-l", "INFO"]
        command = [str(PROGRAM), "--home", str(self.home), "sweep", *words] if words else [MODULE, *beat]
        process = WarmService(command, self.environment(), folder, folder / f"sweeper{number}.log", self.guard)
        self.sweepers.append(process)
        return process

    def end_all(self) -> None:
        """Kill every worker and every sweeper."""
        for worker in self.workers:
            worker.end()
        for sweeper in self.sweepers:
            sweeper.kill()
            sweeper.stop()
        self.workers.clear()
        self.sweepers.clear()

    def command(self, *words: str) -> str:
        """Run ``underbutler`` with words, and return what it said."""
        done = subprocess.run(
            [str(PROGRAM), "--home", str(self.home), *words],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def clear(self) -> None:
        """Begin anew: faults are gone, and jobs that a drill left open are cancelled."""
        self.faults.heal()
        for job in self.context.jobs.read.jobs(limit=None):
            if not Phase(job.phase).ended:
                self.context.jobs.cancellation.cancel(job.id)

    # What is done here

    def submit(self, task: str, *words: object) -> JobRow:
        """Submit, by the use-case that command line and HTTP share, and return the job at once."""
        from underbutler.submission.preparing import prepare
        from underbutler.submission.submit import submit

        args = ["demo", *map(str, words)]
        with prepare(task, args, repositories=self.context.repositories, user="driller") as prepared:
            return submit(prepared, jobs=self.context.jobs, app=self.app, settings=self.settings)

    def send_again(self, job: JobRow) -> int:
        """Send what the records have as unsent, as the sweeper does."""
        return send(self.context.jobs, self.app, job=job.id)

    def empty(self, copies: int, *, seconds: float = 0.0, task: str = "drillEmpty") -> JobRow:
        """Submit so many small targets that write nothing."""
        return self.submit(task, *ONE, "-c", f"copies={copies}", f"seconds={seconds}")

    def write(self, exposures: int, **config: float) -> JobRow:
        """Submit targets that each write a table and a picture, one per exposure."""
        last = FIRST + exposures - 1
        words = [f"{name}={value}" for name, value in config.items()]
        given = ["-c", *words] if words else []
        return self.submit("drillWrite", "--id", "instrument=SIMCAM", f"exposure={FIRST}..{last}", *OPTIONS, *given)

    # What can be seen here

    def claims(self, job: JobRow) -> list[ClaimRow]:
        """Return the claims of a job that have not ended."""
        return [claim for claim in self.context.jobs.read.claims(job.id) if claim.ended_at is None]

    def at_work(self, job: JobRow, count: int, timeout: float = 60) -> list[ClaimRow]:
        """Wait until at least so many targets are claimed and at work, and return their claims."""

        def look() -> list[ClaimRow]:
            found = self.claims(job)
            return found if len(found) >= count else []

        return eventually(look, timeout, f"{count} targets at work of job {job.id}")

    def done(self, job: JobRow) -> int:
        """Return how many targets are done; 0 while the records are away."""
        try:
            return self.context.jobs.read.counts(job.id).get(TargetState.DONE, 0)
        except RecordsUnavailableError:
            return 0

    def ended(self, *jobs: JobRow, timeout: float) -> bool:
        """Wait until jobs have ended; False when they have not in time. Records that are away are waited out."""
        open_jobs, deadline = list(jobs), time.monotonic() + timeout
        while open_jobs and time.monotonic() < deadline:
            with suppress(RecordsUnavailableError):
                open_jobs = [job for job in open_jobs if not Phase(self.context.jobs.read.job(job.id).phase).ended]
            time.sleep(0.1)
        return not open_jobs

    def facts(self, *jobs: JobRow, timeout: float = 90, notices: bool = True) -> Facts:
        """Wait until jobs have ended and the sweeper has tidied up, and say what is lost, doubled and held of them."""
        self.ended(*jobs, timeout=timeout)
        deadline = time.monotonic() + TIDY_S
        while True:
            facts = facts_of(self, jobs, notices=notices)
            if not facts.said or time.monotonic() > deadline:
                return facts
            time.sleep(0.5)

    def until_done(self, cut: Iterable[uuid.UUID], since: float) -> float | None:
        """Return the seconds from a moment to the end of the last of some targets; None if never, or before."""
        ends = [self.context.jobs.read.target(target).ended_at for target in cut]
        last = max(end or 0.0 for end in ends)
        return last - since if None not in ends and last > since else None

    def until_all_done(self, jobs: Iterable[JobRow], since: float) -> float | None:
        """Return the seconds from a moment to the end of the last target of some jobs."""
        return self.until_done([target.id for job in jobs for target in self.context.jobs.read.targets(job.id)], since)

    def until_next(self, job: JobRow, since: float) -> float | None:
        """Return the seconds from a moment to the first target that ended well after it; None when none has."""
        ends = [target.ended_at for target in self.context.jobs.read.targets(job.id, states=[TargetState.DONE])]
        later = [end - since for end in ends if end is not None and end > since]
        return min(later, default=None)

    def datasets(self, job: JobRow) -> int:
        """Return how many tables and pictures are in the Butler."""
        with self.context.repositories.butler("demo", collections=[job.run]) as butler:
            names = [ref.datasetType.name for ref in butler.query_all_datasets(job.run)]
        return sum(name in {"drillTable", "drillPicture"} for name in names)

    def keys(self, job: JobRow) -> list[str]:
        """Return the annex's objects and unfinished uploads of a job's targets."""
        bucket = bucket_for(self.settings, "SIMCAM")
        targets = {str(target.id) for target in self.context.jobs.read.targets(job.id)}
        listed = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in listed for item in page.get("Contents", [])]
        keys += [item["Key"] for item in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
        return [key for key in keys if any(target in key for target in targets)]

    def failures(self, job: JobRow) -> str:
        """Return what the failed claims of a job said."""
        claims = [claim for claim in self.context.jobs.read.claims(job.id) if claim.end == "failed"]
        return "\n\n".join(f"{claim.reason}\n{claim.log}" for claim in claims)

    # What is done to the broker

    @property
    def queue_key(self) -> str:
        """Redis key of our queue."""
        return f"{self.settings.broker_prefix}{self.settings.queue}"

    def repeat_messages(self, key: str, *, times: int) -> None:
        """Put each message of a queue there so many times in all, as another delivery each."""
        with redis.Redis.from_url(self.settings.broker_url) as client:
            messages = [json.loads(raw) for raw in client.lrange(key, 0, -1)]
            assert messages
            for message in messages:
                for _ in range(times - 1):
                    message["properties"]["delivery_tag"] = str(uuid.uuid4())
                    client.lpush(key, json.dumps(message))

    def forget_messages(self) -> None:
        """Let the broker forget what is queued and what is with workers."""
        prefix = self.settings.broker_prefix
        with redis.Redis.from_url(self.settings.broker_url) as client:
            client.delete(self.queue_key, f"{prefix}unacked", f"{prefix}unacked_index")

    # Notices

    def _listen(self) -> None:
        consumer = NoticeConsumer(self.settings, "drills", ["#"], self.heard.take)
        consumer.register()

        def run() -> None:
            while not self._closing.is_set():
                with suppress(BrokerUnavailableError):
                    consumer.run(stop=self._closing)

        self._listener = threading.Thread(target=run, name="drill-notices", daemon=True)
        self._listener.start()


SITES: Iterator[int] = iter(range(1, 1000))
