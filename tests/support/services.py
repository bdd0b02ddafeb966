"""Real services for tests, PostgreSQL and RabbitMQ among them: each in a temporary folder, on free loopback ports.

What is missing skips a test on a laptop and fails it under ``CI=true``. Everything that is started here is ended here,
by process id, and cannot outlive the test run even when that is killed.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import run
from tempfile import mkdtemp
from typing import NoReturn, TypeVar
from uuid import uuid4

import psutil
import pytest

from underbutler.embedded.process import Guard, Process, ProcessFailedError, free_port

T = TypeVar("T")

PORT_TRIES = 3


def eventually(predicate: Callable[[], T], timeout: float = 20.0, what: str = "the condition") -> T:
    """Return the first true value of ``predicate``; fail after ``timeout`` seconds, naming ``what`` was awaited."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {timeout:g} s; the last value was {value!r}")
        time.sleep(0.05)
    return value


def missing(service: str, cure: str) -> NoReturn:
    """Skip on a laptop, fail in CI."""
    reason = f"{service} is not on this machine: {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class S3Endpoint:
    """An S3 server: its address, and credentials that it takes."""

    url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def environment(self) -> dict[str, str]:
        """Return the settings that point Underbutler at it."""
        return {
            "UNDERBUTLER_S3_ENDPOINT_URL": self.url,
            "UNDERBUTLER_S3_ACCESS_KEY_ID": self.access_key,
            "UNDERBUTLER_S3_SECRET_ACCESS_KEY": self.secret_key,
            "UNDERBUTLER_S3_REGION": self.region,
        }


@contextmanager
def short_folder(owner: str | None = None) -> Iterator[Path]:
    """Make a folder that another account can reach, which pytest's own folders cannot be, and remove it after."""
    folder = Path(mkdtemp(prefix="underbutler-test-"))
    try:
        if owner:
            shutil.chown(folder, owner, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_program(name: str, *folders: str) -> Path | None:
    """Return a program of PATH, or of the last (newest) of the folders that match the patterns."""
    found = shutil.which(name)
    if found:
        return Path(found)
    matches = [path for pattern in folders for path in Path("/").glob(f"{pattern.lstrip('/')}/{name}")]
    return max(matches, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


def with_other_ports(start: Callable[[], T]) -> T:
    """Try again when another program took the free port first."""
    for _ in range(PORT_TRIES - 1):
        try:
            return start()
        except ProcessFailedError as error:
            if "in use" not in str(error).lower() and "eaddrinuse" not in str(error).lower():
                raise
    return start()


# PostgreSQL


@dataclass
class PostgresServer:
    """A PostgreSQL server that can be ended and started again on its port: the URL of its ``postgres`` database."""

    url: str
    begin: Callable[[], Process]
    process: Process

    def end(self, by: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts its clients off in order, SIGQUIT is a crash."""
        self.process.stop(by=by)

    def start(self) -> None:
        """Start it again."""
        self.process = self.begin()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all its processes inside the block: their connections stand, and nothing is answered."""
        main = psutil.Process(self.process.pid)
        members = [main, *main.children(recursive=True)]
        for member in members:
            member.suspend()
        try:
            yield
        finally:
            for member in members:
                member.resume()


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server and yield the URL of its ``postgres`` database."""
    with postgres_node(synchronous_commit="off", full_page_writes="off") as server:
        yield server.url


@contextmanager
def durable_postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server that commits to the disk, as one in service does: for benchmarks."""
    with postgres_node(fsync="on") as server:
        yield server.url


@contextmanager
def postgres_node(**options: str) -> Iterator[PostgresServer]:
    """Run a PostgreSQL server with options of one's own."""
    folders = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
    initdb = find_program("initdb", *folders)
    server = initdb.with_name("postgres") if initdb else None  # of the same version
    if initdb is None or server is None or not server.exists():
        missing("PostgreSQL", "apt-get install postgresql")
    account = _account("postgres")
    with short_folder(account) as folder, Guard() as guard:
        data = folder / "data"
        made = run(
            [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            user=account,
            group=account,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.fail(f"initdb failed: {made.stderr}")

        def start() -> PostgresServer:
            port = free_port()
            given = {
                "listen_addresses": "127.0.0.1",
                "port": port,
                "unix_socket_directories": folder,
                "max_connections": 200,
                "shared_buffers": "64MB",
                "fsync": "off",
                **options,
            }
            words = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
            url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"

            def begin() -> Process:
                command = [server, "-D", data, *words]
                process = Process("PostgreSQL", command, directory=folder, guard=guard, user=account, environment={})
                process.wait_until(lambda: _postgres_answers(url), 30)
                return process

            return PostgresServer(url, begin, begin())

        node = with_other_ports(start)
        try:
            yield node
        finally:
            node.end()  # "fast": it does not wait for its clients


def postgres_execute(url: str, statement: str) -> None:
    """Execute one statement outside a transaction."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True, connect_timeout=5) as session:
        session.execute(statement)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Make an empty database and drop it after, whoever is still connected."""
    name = f"test_{uuid4().hex[:12]}"
    postgres_execute(server_url, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    try:
        yield server_url.removesuffix("postgres") + name
    finally:
        postgres_execute(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _postgres_answers(url: str) -> bool:
    import psycopg

    try:
        postgres_execute(url, "SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _account(wanted: str) -> str | None:
    """Return the account a server that refuses root must run as, or ``None`` when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in (wanted, "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    missing(f"an account to run {wanted} as", f"adduser --system {wanted}")


# RabbitMQ


@dataclass(frozen=True)
class RabbitServer:
    """A RabbitMQ node: AMQP on one port, its management API on another."""

    amqp_port: int
    management_port: int
    processes: list[Process] = field(default_factory=list)
    begin: Callable[[], Process] | None = None

    def end(self) -> None:
        """End the node, and leave its names."""
        self.processes.pop().stop(patience_s=15)

    def start(self) -> None:
        """Start it again, on its ports and with what it kept."""
        assert self.begin is not None
        self.processes.append(self.begin())

    @contextmanager
    def fresh_vhost(self) -> Iterator[str]:
        """Make an empty virtual host, yield its AMQP URL, and remove it with its connections after."""
        name = f"test_{uuid4().hex[:12]}"
        self.call("PUT", f"/vhosts/{name}")
        self.call("PUT", f"/permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        try:
            yield f"amqp://guest:guest@127.0.0.1:{self.amqp_port}/{name}"
        finally:
            self.call("DELETE", f"/vhosts/{name}")

    def call(self, method: str, path: str, body: object = None) -> object:
        """Call the management API and return its answer, decoded."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.management_port}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None


@contextmanager
def rabbitmq_server(advanced: str = "[].") -> Iterator[RabbitServer]:
    """Run a RabbitMQ node with an epmd of its own; `advanced` is its advanced.config, in Erlang."""
    program = find_program("rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")
    epmd = find_program("epmd", "/usr/lib/erlang/erts-*/bin")
    # Debian's wrapper on PATH insists on the account of the system's own node: take the script behind it.
    behind = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if program is None or epmd is None:
        missing("RabbitMQ", "apt-get install rabbitmq-server")
    with short_folder() as folder, Guard() as guard:
        server = with_other_ports(
            lambda: _start_rabbitmq(behind if behind.exists() else program, epmd, folder, guard, advanced)
        )
        try:
            yield server
        finally:
            for process in reversed(server.processes):
                process.stop(patience_s=15)


def _start_rabbitmq(program: Path, epmd: Path, folder: Path, guard: Guard, advanced: str) -> RabbitServer:
    amqp, management, distribution, mapper = (free_port() for _ in range(4))
    (folder / "plugins").write_text("[rabbitmq_management].\n")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{amqp}\n"
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
        "log.console = true\nlog.console.level = warning\nlog.file = false\n"
    )
    (folder / "advanced.config").write_text(advanced)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),  # the Erlang cookie is made here
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"underbutler-{amqp}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(amqp),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    names = Process("epmd", [epmd, "-port", str(mapper), "-address", "127.0.0.1"], guard=guard, environment=environment)

    def begin() -> Process:
        broker = Process("RabbitMQ", [program], directory=folder, guard=guard, environment=environment)
        broker.wait_until(lambda: _rabbitmq_answers(node), 90)
        return broker

    node = RabbitServer(amqp_port=amqp, management_port=management, processes=[names], begin=begin)
    try:
        node.start()
    except ProcessFailedError:
        names.stop()
        raise
    return node


def _rabbitmq_answers(node: RabbitServer) -> bool:
    try:
        return node.call("GET", "/health/checks/port-listener/" + str(node.amqp_port)) is not None
    except OSError:
        return False
