"""A repository of three frames, records and a broker from which a job is submitted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import redis
from sqlalchemy import func, select

from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.records import JobRow, JobStore
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.settings import Settings
from underbutler.sql import read
from underbutler.submission.preparing import prepare
from underbutler.submission.submit import submit

SKY = ["demo", "--id", "instrument=SIMCAM", "detector=0", "--no-versions"]
FRAMES = 3


class Place:
    """A submitter with all that it has open, and what others see of its submissions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.context = ServiceContext(settings)
        self.app = make_app(settings)
        self.left: list[tuple[int, str]] = []
        self.job = uuid.uuid4()

    def submit(
        self, *words: str, jobs: JobStore | None = None, lifetime_s: float | None = None, **options: Any
    ) -> JobRow:
        context = self.context
        with prepare(
            "processCcd",
            [*SKY, *words],
            repositories=context.repositories,
            user="ann",
            job=self.job,
            lifetime_s=lifetime_s,
        ) as ready:
            return submit(
                ready,
                jobs=jobs or context.jobs,
                app=self.app,
                settings=self.settings,
                on_unsent=lambda sent, reason: self.left.append((sent, reason)),
                **options,
            )

    def runs(self) -> list[str]:
        with self.context.repositories.butler("demo") as butler:
            return sorted(butler.collections.query("u/*"))

    def announced(self) -> int:
        with read(self.context.engine) as connection:
            return int(connection.execute(select(func.count()).select_from(SubmissionTable)).scalar_one())

    def messages(self) -> list[dict[str, Any]]:
        with redis.Redis.from_url(self.settings.broker_url) as client:
            return [
                json.loads(raw) for raw in client.lrange(f"{self.settings.broker_prefix}{self.settings.queue}", 0, -1)
            ]

    def nothing_is_left(self) -> bool:
        return self.context.jobs.read.jobs() == [] and self.announced() == 0 and self.job_run() == []

    def job_run(self) -> list[str]:
        return [run for run in self.runs() if run.endswith(str(self.job)[-8:])]

    def all_is_there(self) -> bool:
        (row,) = self.context.jobs.read.jobs()
        return row.id == self.job and row.n_targets == FRAMES and self.job_run() == [row.run] and self.announced() == 0


class WhenRecording(JobStore):
    """Does something the moment before the job is recorded, once."""

    def __init__(self, place: Place, act: Callable[[], object]) -> None:
        super().__init__(place.context.engine)
        really_create, acts = self.submissions.create_job, [act]

        def create_job(new: Any) -> JobRow:
            while acts:
                acts.pop()()
            return really_create(new)

        self.submissions.create_job = create_job  # type: ignore[method-assign]
