"""The same way on servers of a larger site: RabbitMQ, PostgreSQL for records and registry, Swift."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.probes.package import install_probes
from tests.support.services import S3Endpoint, eventually
from tests.support.stack.site import NIGHT_ID, UNDERBUTLER
from underbutler.annex import NoticeConsumer, fetch
from underbutler.butlers import create_repository, ingest_files
from underbutler.context import ServiceContext
from underbutler.embedded.stack import environment_of, make_buckets
from underbutler.migrations import upgrade
from underbutler.model.job import Phase
from underbutler.settings import Settings, load_settings
from underbutler.testing.night import simulate_night


@contextmanager
def worker(settings: Settings, folder: Path, *options: str) -> Iterator[None]:
    """Run ``celery -A workers worker`` as the README says, until it has consumed and is stopped."""
    environment = {**os.environ, **environment_of(settings), "UNDERBUTLER_HOME": str(settings.home)}
    log = folder / "worker.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "workers", "worker", "-l", "INFO", *options],
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        eventually(lambda: " ready." in log.read_text() or process.poll() is not None, 90, "a worker that is ready")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def small_site(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceContext]:
    """Prepare records, repository, buckets and probes."""
    packages = folder / "packages"
    packages.mkdir()
    install_probes(packages)
    monkeypatch.setenv("PYTHONPATH", str(packages))
    upgrade(settings.records_url)
    create_repository(folder / "repo", "demo", settings)
    make_buckets(settings)
    night = simulate_night(folder / "night", n_bias=1, n_flat=1, n_science=2, shape=(120, 130), seed=5)
    with ServiceContext(settings) as context:
        ingest_files(context.repositories, "demo", night.files)
        yield context


def submitted(settings: Settings, *args: str) -> uuid.UUID:
    """Submit by the command line and return the job."""
    done = subprocess.run(
        [str(UNDERBUTLER), "submit", *args],
        env={**os.environ, **environment_of(settings), "UNDERBUTLER_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return uuid.UUID(done.stdout.strip())


def test_the_whole_way_on_rabbitmq_postgresql_and_swift(
    tmp_path: Path,
    rabbitmq_url: str,
    postgres_url: str,
    swift_endpoint: S3Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings(
        home=tmp_path / "home",
        broker_url=rabbitmq_url,
        database_url=postgres_url,
        s3_endpoint_url=swift_endpoint.url,
        s3_access_key_id=swift_endpoint.access_key,
        s3_secret_access_key=swift_endpoint.secret_key,
        s3_instance=f"t{uuid.uuid4().hex[:8]}",
    )
    settings.home.mkdir(parents=True)
    arrived: list[str] = []
    with small_site(settings, tmp_path, monkeypatch) as context:
        consumer = NoticeConsumer(settings, "archive", ["SIMCAM.#"], lambda notice: arrived.append(notice.id))
        consumer.register()
        with worker(settings, tmp_path, "-c", "2"):
            job = submitted(settings, "probeWrite", "demo", *NIGHT_ID)
            eventually(lambda: Phase(context.jobs.read.job(job).phase).ended, 90, "the end of the job")
            assert context.jobs.read.job(job).phase == Phase.COMPLETED, [
                t.error_text for t in context.jobs.read.targets(job)
            ]
            notices = context.jobs.read.notices(job)
            assert len(notices) == 2
        assert consumer.run(limit=2, idle_s=20) == 2
        for notice in notices:
            with (tmp_path / "fetched").open("wb") as file:
                fetch(context.s3, notice, file)
    assert sorted(arrived) == sorted(notice.id for notice in notices)
