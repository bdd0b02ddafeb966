"""Broker, S3, worker and beat on one machine, started together, watched, and stopped together.

The records are brought up to date, the servers listen on free loopback ports, and ``stack.env`` in the home folder says
where, so that a command in another terminal finds them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from pydantic import SecretStr

from underbutler.errors import ConflictError, UnderbutlerError
from underbutler.settings import Settings, load_settings
from underbutler.telemetry.logs import get_logger

from .process import Guard, Process
from .servers import start_api, start_beat, start_redis, start_s3, start_worker

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

__all__ = ["PARTS", "Stack"]

log = get_logger(__name__)

PARTS = ("redis", "s3", "worker", "beat", "api", "annex")
"""Names of the processes, in the order of their start; ``annex`` runs only while objects are brought back."""

LOCK_FILE = "stack.lock"
"""File in the home folder that a living stack keeps locked; it holds the process id."""

SHARED = (
    "broker_url",
    "broker_master_name",
    "broker_sentinel_username",
    "broker_sentinel_password",
    "broker_sentinel_kwargs",
    "broker_prefix",
    "queue",
    "visibility_timeout_s",
    "hard_limit_s",
    "redis_transport",
    "lease_s",
    "sweep_interval_s",
    "outbox_grace_s",
    "max_deaths",
    "max_worker_deaths",
    "max_transient_retries",
    "unknown_wait_s",
    "token_key",
    "job_lifetime_s",
    "database_url",
    "repository_index",
    "s3_endpoint_url",
    "s3_instance",
    "s3_category",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "s3_session_token",
    "s3_checksums",
    "s3_addressing_style",
    "annex_layout",
    "notice_exchange",
)
"""Settings that submitters, worker, beat and consumers of one stack must agree on."""

Listener = Callable[[str, str], None]


class Stack:
    """An embedded stack in a home folder. A context manager: what it started is gone after the block.

    Parameters
    ----------
    home
        Folder of records, index, logs and the broker's data; made when missing.
    concurrency
        Number of worker children.
    on_line
        Called with (part, line) for every line that a part writes, from threads.
    patience_s
        Time that running targets get when the stack stops; then they are killed and run again later.
    with_worker
        Start a worker, and beat, too.
    with_beat
        Start beat beside the worker: without it nothing is swept.
    with_api
        Start the submission API, too; its token stands in ``stack.env`` as long as the stack runs.
    use_configured
        Use a broker and an S3 server that the environment names, and start none in their place.

    Notes
    -----
    The broker's queue is kept in the home folder. The S3 server keeps its objects in memory: they are gone when it
    stops, so this is for trying, for teaching, and for tests. The datasets themselves are in the Butler, and out of it
    the objects are brought back when the stack starts again.
    """

    def __init__(
        self,
        home: Path,
        *,
        concurrency: int = 2,
        on_line: Listener | None = None,
        patience_s: float = 20.0,
        with_worker: bool = True,
        with_beat: bool = True,
        with_api: bool = False,
        use_configured: bool = False,
    ) -> None:
        self.home = home.absolute()
        self.concurrency = concurrency
        self.patience_s = patience_s
        self.processes: list[Process] = []
        self._with_worker = with_worker
        self._with_beat = with_beat and with_worker
        self._with_api = with_api
        self._use_configured = use_configured
        self.api_url: str | None = None
        """Where the submission API is, if it was started."""
        self.started: frozenset[str] = frozenset()
        """Which of ``redis`` and ``s3`` are this stack's own; the others were configured."""
        self.announced = 0
        """How many objects the records know that its own S3 server had forgotten when it started."""
        self._on_line = on_line
        self._settings: Settings | None = None
        self._open = ExitStack()

    @property
    def settings(self) -> Settings:
        """Settings that reach this stack; known once it has started."""
        if self._settings is None:
            raise RuntimeError("the stack has not started")
        return self._settings

    def start(self) -> Self:
        """Start everything, and return when all parts answer.

        Raises
        ------
        ConflictError
            A stack already runs in this home folder.
        UsageError
            A server's program is not installed.
        ProcessFailedError
            A part did not start. Nothing is left running.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def check(self) -> None:
        """Look whether every part still runs.

        Raises
        ------
        ProcessFailedError
            Names the part that ended, its exit code and its last lines.
        """
        for process in self.processes:
            if process.exit_code is not None:
                raise process.failure()

    def supervise(self, stopped: Callable[[], bool], poll_s: float = 0.2) -> None:
        """Check the parts until ``stopped`` says so; raises what `check` raises."""
        while not stopped():
            self.check()
            time.sleep(poll_s)

    def stop(self) -> None:
        """Stop the worker in order, then the servers, and remove ``stack.env``. Stopping twice does nothing."""
        self._open.close()

    def kill(self) -> None:
        """Cut a `stop` short that waits for running targets. May be called from a signal handler."""
        for process in self.processes:
            process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _start(self) -> None:
        from underbutler.migrations import upgrade

        self.home.mkdir(parents=True, exist_ok=True)
        self._open.callback(_locked(self.home / LOCK_FILE).close)
        for left in (self.home / "stack.env", self.home / "stack" / "annex.json"):  # of a stack that was killed
            left.unlink(missing_ok=True)
        guard = self._open.enter_context(Guard())
        folder = self.home / "stack"

        settings = self._with_services(folder, guard)
        upgrade(settings.records_url)
        make_buckets(settings)
        shared = environment_of(settings)
        environment = shared | {"UNDERBUTLER_HOME": str(self.home)}
        if self._with_worker:
            worker = start_worker(
                folder / "worker",
                environment,
                concurrency=self.concurrency,
                guard=guard,
                on_line=self._listener("worker"),
            )
            self._adopt(worker, self.patience_s)
        if self._with_beat:
            if settings.metrics_port:
                environment |= {"UNDERBUTLER_METRICS_PORT": str(settings.metrics_port + 1)}  # the worker has the other
            self._adopt(start_beat(folder / "beat", environment, guard=guard, on_line=self._listener("beat")))
        if self._with_api:
            shared |= self._start_api(folder / "api", settings, environment, guard)
        self._settings = settings
        self._open.callback(settings.stack_file.unlink, missing_ok=True)
        write_stack_file(settings.stack_file, shared)
        if "s3" in self.started:
            self._bring_back(settings, environment, guard)

    def _with_services(self, folder: Path, guard: Guard) -> Settings:
        """Start broker and S3 server, or use configured ones; return the settings by which they are reached."""
        configured = load_settings(home=self.home)
        named = configured.model_fields_set if self._use_configured else frozenset[str]()
        own: dict[str, str] = {}
        if "broker_url" in named:
            _check_broker(configured)
        else:
            redis = start_redis(folder / "redis", keep=True, guard=guard, on_line=self._listener("redis"))
            self._adopt(redis.process)
            own["broker_url"] = redis.url
        if not ("s3_endpoint_url" in named and configured.s3_endpoint_url):
            s3 = start_s3(folder / "s3", guard=guard, on_line=self._listener("s3"))
            self._adopt(s3.process)
            own |= {
                "s3_endpoint_url": s3.url,
                "s3_access_key_id": "underbutler",
                "s3_secret_access_key": secrets.token_urlsafe(24),
            }
        self.started = frozenset(process.name for process in self.processes)
        return load_settings(home=self.home, **own) if own else configured

    def _start_api(
        self, folder: Path, settings: Settings, environment: Mapping[str, str], guard: Guard
    ) -> dict[str, str]:
        """Start the submission API; return how its clients find it. Its token ends with the stack."""
        from .own_token import own_token

        secret = self._open.enter_context(own_token(settings))
        server = start_api(folder, environment, guard=guard, on_line=self._listener("api"))
        self._adopt(server.process)
        self.api_url = server.url
        return {"UNDERBUTLER_API_URL": server.url, "UNDERBUTLER_API_TOKEN": secret}

    def _bring_back(self, settings: Settings, environment: Mapping[str, str], guard: Guard) -> None:
        """Have objects that the S3 server has forgotten delivered again, beside everything else."""
        from .recovery import announced_objects, note_missing

        self.announced = announced_objects(settings)
        if not self.announced:
            return
        self._open.callback(settings.recovery_file.unlink, missing_ok=True)
        process = Process(
            "annex",
            [sys.executable, "-m", "underbutler.embedded.recovery"],
            environment={**os.environ, **environment},
            log_file=self.home / "stack" / "annex.log",
            guard=guard,
            on_line=self._listener("annex"),
        )
        self._open.callback(process.stop, 2.0)
        note_missing(settings.recovery_file, total=self.announced, missing=self.announced, pid=process.pid)

    def _adopt(self, process: Process, patience_s: float = 10.0) -> None:
        self.processes.append(process)
        self._open.callback(process.stop, patience_s)

    def _listener(self, part: str) -> Callable[[str], None] | None:
        on_line = self._on_line
        return None if on_line is None else lambda line: on_line(part, line)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment variables with which another process comes to the same `SHARED` settings."""
    values = {name: getattr(settings, name) for name in SHARED}
    values["database_url"] = settings.records_url
    values["repository_index"] = settings.index_uri
    for name, value in values.items():
        if isinstance(value, SecretStr):
            values[name] = value.get_secret_value()
    return {f"UNDERBUTLER_{name.upper()}": str(value) for name, value in values.items() if value is not None}


def write_stack_file(path: Path, variables: Mapping[str, str]) -> None:
    """Write variables as ``NAME='value'`` lines, readable for its owner only, in one step."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("# Written by `underbutler up`, removed when it stops.\n")
        for name, value in variables.items():
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            quoted = quoted.replace("${", "${UNDERBUTLER_NOTHING:-$}{")  # else its reader puts a variable there
            file.write(f"{name}='{quoted}'\n")
    draft.replace(path)


def _check_broker(settings: Settings) -> None:
    """Ask a configured broker whether it is there, before anything is started.

    Raises
    ------
    BrokerUnavailableError
        If it is away or refuses.
    """
    from underbutler.broker import connection, translate_broker_errors

    with translate_broker_errors(settings), connection(settings) as link:
        link.ensure_connection(max_retries=1, timeout=5)


def make_buckets(settings: Settings) -> list[str]:
    """Make the annex's bucket of every instrument of every repository in the index; return their names.

    The S3 server of a stack starts empty, while the repositories are kept. One that cannot be opened is said and left
    out: it is not a reason to have no stack.
    """
    from underbutler.annex import bucket_for, ensure_bucket, make_client
    from underbutler.butlers import Repositories

    client = make_client(settings)
    buckets: set[str] = set()
    with Repositories(settings) as repositories:
        for label in repositories.labels():
            try:
                instruments = _instruments(repositories, label)
            except UnderbutlerError as error:
                log.warning("repository_left_out", repo=label, reason=str(error))
                continue
            buckets |= {bucket_for(settings, instrument) for instrument in instruments}
    for bucket in sorted(buckets):
        ensure_bucket(client, bucket)
    return sorted(buckets)


def _instruments(repositories: Repositories, label: str) -> list[str]:
    from underbutler.butlers.data_ids import instruments

    if repositories.is_remote(label):
        return []  # nothing is written there
    with repositories.butler(label) as butler:
        return instruments(butler)


def _locked(path: Path) -> TextIO:
    """Open and lock a file; the kernel unlocks it when this process ends, however it ends."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise ConflictError(
            f"A stack already runs in {path.parent} (process {owner}). Use it, stop it with Ctrl-C in its terminal, or "
            "choose another folder with --home.",
            home=str(path.parent),
            pid=owner,
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
