"""A place where a test runs targets in its own process: real records, Butler and S3 server, and no worker."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.support.probes.package import install
from tests.support.services import S3Endpoint
from underbutler.annex import fetch, make_client
from underbutler.context import ServiceContext
from underbutler.model.job import TargetState
from underbutler.records import JobRow, NewJob, NewStep, NewTarget, Outgoing, TargetRow
from underbutler.records.tables.jobs import Target, Upload
from underbutler.settings import Settings
from underbutler.sql import database_now, read, write

__all__ = ["BOUNDS", "TargetSite", "doing", "install_tasks", "once", "open_target_site", "target_of"]

PNG = b"\x89PNG\r\n\x1a\n"
BOUNDS: dict[str, Any] = {"max_deaths": 3, "max_worker_deaths": 10}


def install_tasks(folder: Path) -> None:
    """Install the tasks that run in the process of a test."""
    install(
        folder,
        "one_target_tasks",
        {
            "onePicture": "PictureTask",
            "oneTableTask": "TableTask",
            "oneNothing": "NothingTask",
            "oneTogether": "TogetherTask",
            "oneImage": "ImageTask",
        },
    )


class TargetSite:
    """A small repository with its annex and records, and targets of it.

    Parameters
    ----------
    folder
        Holds all that is a file.
    store
        The S3 server.
    settings
        Changes of the settings.
    """

    def __init__(self, folder: Path, store: S3Endpoint, **settings: Any) -> None:
        self.store = store
        self.settings = Settings(
            _env_file=None,
            **{
                "home": folder / "home",
                "user": "tester",
                "s3_endpoint_url": store.url,
                "s3_access_key_id": store.access_key,
                "s3_secret_access_key": store.secret_key,
                "s3_instance": f"one{uuid.uuid4().hex[:8]}",
                "annex_timeout_s": 2.0,
                "broker_url": "redis://127.0.0.1:1/0",  # nobody is there: notices stay in their rows
            }
            | settings,
        )
        self.settings.home.mkdir(parents=True)
        self.context = ServiceContext(self.settings)
        self.s3 = make_client(self.settings.model_copy(update={"s3_endpoint_url": store.url}))
        self._make(folder)

    def _make(self, folder: Path) -> None:
        from underbutler.butlers import create_repository, ingest_files
        from underbutler.embedded.stack import make_buckets
        from underbutler.migrations import upgrade
        from underbutler.testing.night import simulate_night

        upgrade(self.settings.records_url)
        create_repository(folder / "repo", "demo", self.settings)
        make_buckets(self.settings.model_copy(update={"s3_endpoint_url": self.store.url}))
        night = simulate_night(folder / "night", n_bias=2, n_flat=0, n_science=0, shape=(64, 64), seed=3)
        ingest_files(self.context.repositories, "demo", night.files, transfer="direct")

    def submitted(
        self,
        task: str,
        *words: str,
        change: Callable[[NewTarget], NewTarget] = lambda target: target,
        **fields: Any,
    ) -> tuple[JobRow, list[Outgoing]]:
        """Record a job of two targets, one per frame, as a submission does; return it with its messages."""
        from underbutler.submission.preparing import prepare

        args = ["demo", "--id", "instrument=SIMCAM", "detector=0", "--no-versions", *words]
        with prepare(task, args, repositories=self.context.repositories, user="tester") as prepared:
            command = prepared.command
            prepared.runner.precall_or_raise(command.parsed_cmd)
            step = NewStep(
                label=task,
                task=task,
                config=command.config_json,
                config_digest=command.config_digest,
                targets=[change(target) for target in prepared.targets],
                overrides=command.overrides,
                options=command.options,
            )
            job = self.context.jobs.submissions.create_job(
                NewJob(
                    id=prepared.job,
                    repo=command.repo,
                    out=command.out,
                    run=command.run,
                    user="tester",
                    steps=[step],
                    collections=list(command.collections),
                    queue="reduce",
                    **fields,
                )
            )
        return job, self.sent(job)

    def sent(self, job: JobRow) -> list[Outgoing]:
        """Take the messages of a job that are to be sent now, and mark them as sent."""
        taken = self.context.jobs.outbox.take(job=job.id, limit=1000)
        self.context.jobs.outbox.mark_sent(
            [(one.message.envelope.target, one.message.envelope.send_no) for one in taken]
        )
        return taken

    def sent_again(self, target: uuid.UUID) -> Outgoing:
        """Let the wait of a target pass, and send it again as the sweeper would."""
        jobs = self.context.jobs
        with write(self.context.engine) as connection:
            connection.execute(update(Target).where(Target.id == target).values(not_before=database_now() - 1.0))
        (one,) = [one for one in self.sent(jobs.read.job(self.target(target).job_id)) if target_of(one) == target]
        return one

    def run(self, one: Outgoing, *, worker: str = "w1", context: ServiceContext | None = None) -> TargetState:
        """Run a target here and now."""
        from underbutler.pipe import load_task
        from workers.target.run import run_target

        task_class = load_task(one.message.task)
        return run_target(one.message, context or self.context, task_class, worker=worker, pid=os.getpid())

    def overtake(self, target: uuid.UUID) -> TargetState:
        """End the live claim of a target as the sweeper does, and run the target as another worker."""
        jobs, steps = self.context.jobs, _steps()
        kept = dict(steps)
        steps.clear()
        number = self.target(target).claim_no
        assert (
            jobs.leases.end_claim(target, number, end="worker_died", reason="its worker is gone", **BOUNDS) is not None
        )
        with ServiceContext(self.settings.model_copy(update={"s3_endpoint_url": self.store.url})) as other:
            state = self.run(self.sent_again(target), worker="w2", context=other)
        steps.update(kept)
        return state

    def target(self, target: uuid.UUID) -> TargetRow:
        """Return a target as recorded."""
        return self.context.jobs.read.target(target)

    def stored(self, job: JobRow, target: uuid.UUID) -> dict[str, Any]:
        """Return the datasets that a target's data ID has in the job's RUN, by type."""
        exposure = self.target(target).data_id["exposure"]
        with self.context.repositories.butler(job.out, collections=[job.run]) as butler:
            found = [
                ref for ref in butler.query_all_datasets(job.run, find_first=False)
                if "exposure" in ref.dataId and ref.dataId["exposure"] == exposure
            ]  # fmt: skip
            assert len({ref.id for ref in found}) == len(found)
            assert all(butler.exists(ref, full_check=True) for ref in found)
            return {ref.datasetType.name: butler.get(ref) for ref in found}

    def ids_of(self, job: JobRow, target: uuid.UUID) -> set[uuid.UUID]:
        """Return the UUIDs of the datasets that a target's data ID has in the job's RUN."""
        exposure = self.target(target).data_id["exposure"]
        with self.context.repositories.butler(job.out, collections=[job.run]) as butler:
            return {
                ref.id
                for ref in butler.query_all_datasets(job.run, find_first=False)
                if "exposure" in ref.dataId and ref.dataId["exposure"] == exposure
            }

    def announced(self, job: JobRow) -> list[bytes]:
        """Fetch what every notice of a job announces, each checked against its SHA-256; ids are unique."""
        notices = self.context.jobs.read.notices(job.id)
        assert len({notice.id for notice in notices}) == len(notices)
        bodies = []
        for notice in notices:
            held = io.BytesIO()
            fetch(self.s3, notice, held)
            assert hashlib.sha256(held.getvalue()).hexdigest() == notice.checkSum
            bodies.append(held.getvalue())
        return bodies

    def uploads(self, target: uuid.UUID) -> dict[int, list[str]]:
        """Return the keys that the claims of a target said they would write."""
        said: dict[int, list[str]] = {}
        with read(self.context.engine) as connection:
            wanted = select(Upload.claim_no, Upload.key).where(Upload.target_id == target)
            for row in connection.execute(wanted):
                said.setdefault(row.claim_no, []).append(row.key)
        return said

    def check_one_visible_effect(self, one: Outgoing, words: str = "hello", times: int = 1) -> None:
        """Look that a target of `onePicture` is done once: Butler, products, annex and notices agree."""
        job = self.context.jobs.read.job(one.message.envelope.job)
        row = self.target(target_of(one))
        assert row.state is TargetState.DONE
        ends = [claim.end for claim in self.context.jobs.read.claims(row.id)]
        assert ends.count("done") == 1
        assert None not in ends
        stored = self.stored(job, row.id)
        assert set(stored) == {"oneTable", "onePicture", "onePicture_metadata"}
        assert stored["oneTable"] == {"words": words}
        products = self.context.jobs.read.products_of(row.id)
        assert {product.dataset_id for product in products} == self.ids_of(job, row.id)
        assert len(products) == 3
        (picture,) = [product for product in products if product.large]
        assert picture.claim_no == row.claim_no
        assert picture.url is not None
        assert picture.url.endswith(f"-{row.id}.{row.claim_no}.png")
        notices = [notice for notice in self.context.jobs.read.notices(job.id) if notice.target == str(row.id)]
        assert [notice.url for notice in notices] == [picture.url]
        assert PNG + words.encode() * times in self.announced(job)

    def keys(self) -> set[str]:
        """Return the keys of every object in the annex."""
        from underbutler.annex import bucket_for

        listed = self.s3.list_objects_v2(Bucket=bucket_for(self.settings, "SIMCAM"))
        return {found["Key"] for found in listed.get("Contents", [])}

    def close(self) -> None:
        """Close what is open."""
        self.context.close()


@contextmanager
def open_target_site(folders: pytest.TempPathFactory, store: S3Endpoint, **settings: Any) -> Iterator[TargetSite]:
    """Make such a place, whose tasks can be imported until it is closed."""
    packages = folders.mktemp("packages")
    install_tasks(packages)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(packages))
        made = TargetSite(folders.mktemp("site"), store, **settings)
        yield made
        made.close()


def target_of(one: Outgoing) -> uuid.UUID:
    """Return whose message it is."""
    return one.message.envelope.target


def _steps() -> dict[str, Any]:
    import one_target_tasks

    steps: dict[str, Any] = one_target_tasks.steps
    return steps


def once(error: BaseException) -> Callable[[], None]:
    """Return a function that raises the first time."""
    left = [error]

    def act() -> None:
        if left:
            raise left.pop()

    return act


def doing(act: Callable[[], Any], do: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that acts once after what it does."""
    left = [act]

    def done(*args: Any, **kwargs: Any) -> Any:
        result = do(*args, **kwargs)
        if left:
            left.pop()()
        return result

    return done
