"""A site that `underbutler status` looks at: real Redis, S3 over HTTP, SQLite; a worker and a beat as they are told."""

from __future__ import annotations

import http.server
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, Said
from tests.support.records.rows import claim_of, new_job, notice_of, product
from tests.support.services import S3Endpoint
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome, Worker
from underbutler.s3 import make_client
from underbutler.settings import load_settings
from underbutler.sql import open_engine

__all__ = ["StatusSite", "stub_s3"]


class StatusSite:
    """A site with one worker, a beat, and a repository of one instrument whose bucket is there: all of it is well.

    Parameters
    ----------
    monkeypatch
        Sets the environment of the command.
    command
        The command line.
    redis_url, s3
        Its broker and its annex.
    migrated
        Records to begin with.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, command: CommandLine, redis_url: str, s3: S3Endpoint, migrated: Path
    ) -> None:
        self._monkeypatch = monkeypatch
        self._command = command
        self.broker_url = redis_url
        self.instance = "s" + redis_url.rpartition("/")[2]
        self.set(**s3.environment())
        self.set(UNDERBUTLER_BROKER_URL=redis_url, UNDERBUTLER_S3_INSTANCE=self.instance, COLUMNS="160")
        self.home = load_settings().home
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.copy(migrated, self.home / "records.db")
        self.engine = open_engine(load_settings().records_url)
        self.store = JobStore(self.engine)
        self.client = make_client(load_settings())
        self.bucket = f"rubinobs-lfa-{self.instance}-cam"
        self.client.create_bucket(Bucket=self.bucket)
        self.repository = self.home.parent / "repo"
        self._make_repository()

    def set(self, **variables: str) -> None:
        """Set variables of the command's environment."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def status(self, *words: object) -> Said:
        """Call ``underbutler status``; lines of its text are as wide as they are."""
        return self._command("status", *words)

    def begin(self, *, queue: str = "reduce") -> None:
        """Tell the records of a worker, a beat and a sweep, now."""
        worker = Worker(id="w@ccd-1/1", name="w@ccd-1", host="ccd-1", pid=1, keeper_pid=2, queue=queue, concurrency=2)
        self.store.workers.mark_alive(worker)
        self.store.beats.mark_alive("ccd-1/9", leads=True, since=self.store.now())
        self.store.sweep.remember("swept")

    def announce(self, *keys: str) -> None:
        """Record jobs whose targets have delivered objects under these keys."""
        for key in keys:
            job = self.store.submissions.create_job(new_job())
            (target,) = self.store.read.targets(job.id)
            claim = claim_of(self.store, target.id)
            made = product(url=f"s3://{self.bucket}/{key}")
            done = Outcome(state=TargetState.DONE, products=[made], notices=[notice_of(made, claim)])
            self.store.claims.complete(claim, done)

    def fail(self, *reasons: str) -> None:
        """Record one job whose targets have failed for these reasons."""
        job = self.store.submissions.create_job(new_job(len(reasons)))
        for target, reason in zip(self.store.read.targets(job.id), reasons, strict=True):
            failed = Outcome(state=TargetState.FAILED, error_type="ValueError", error_text=reason)
            self.store.claims.complete(claim_of(self.store, target.id), failed)

    def close(self) -> None:
        """Close what is open, and remove the bucket with all that is in it."""
        for page in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            self.client.delete_object(Bucket=self.bucket, Key=page["Key"])
        self.client.delete_bucket(Bucket=self.bucket)
        self.client.close()
        self.engine.dispose()

    def _make_repository(self) -> None:
        """Make what status reads of a repository: its file, and two tables of its registry: NEW has no exposures."""
        self.repository.mkdir()
        (self.repository / "butler.yaml").write_text("datastore: {}\nregistry:\n  managers: {}\n")
        with closing(sqlite3.connect(self.repository / "gen3.sqlite3")) as registry:
            registry.execute("CREATE TABLE instrument (name TEXT)")
            registry.execute("INSERT INTO instrument VALUES ('CAM'), ('NEW')")
            registry.execute("CREATE TABLE exposure (instrument TEXT, id INTEGER)")
            registry.execute("INSERT INTO exposure VALUES ('CAM', 1)")
            registry.commit()
        (self.home / "repositories.yaml").write_text(f"demo: {self.repository}\n")


@contextmanager
def stub_s3(status: int, body: str = "", *, clock: float | None = None) -> Iterator[str]:
    """Run an HTTP server that answers everything alike, and yield its URL.

    Parameters
    ----------
    status, body
        What it answers.
    clock
        What its ``Date`` says, in seconds since 1970 UTC; default now.
    """
    answer = body.encode()
    date: Mapping[str, str] = {} if clock is None else {"Date": formatdate(clock, usegmt=True)}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            for name, value in ({"Date": self.date_time_string()} | date).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
