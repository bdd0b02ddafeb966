"""Fixtures for the whole tree: services that really run, and settings that the outer environment cannot reach."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from tests.support.databases import engine, migrated_file, migrated_server  # noqa: F401 - fixtures
from tests.support.examples import DEEP
from tests.support.services import (
    RabbitServer,
    S3Endpoint,
    fresh_database,
    missing,
    postgres_server,
    rabbitmq_server,
)
from tests.support.swift.service import swift_server
from underbutler.embedded.process import Guard
from underbutler.embedded.servers import Server, start_redis, start_s3
from underbutler.errors import UsageError
from underbutler.settings import Settings

TESTS = Path(__file__).parent

SERVICE_OF = {
    "postgres_url": "postgres",
    "redis_url": "redis",
    "rabbitmq_url": "rabbitmq",
    "swift_endpoint": "swift",
}
"""Fixture → marker, so that `-m "not rabbitmq"` works with nothing to write in a test."""

PINNED = {
    "rabbitmq_url": "rabbitmq",
    "rabbitmq_node": "rabbitmq",
    "swift_endpoint": "swift",
    "reduced": "reduced",
}
"""Fixture → group: what takes long to make. With `--dist loadgroup` its tests share one process, and so one server."""

TIERS_OF_MODULES = ("acceptance", "integration", "unit")
"""Where the tests of a module share one process, and so what they make once. Those of a longer group say its name."""

DATABASES = 4096
"""Redis databases: each test has one of its own."""

# No time is asserted, of an example neither. `make quick` takes ``quick``; ``deep`` is for who changes the searched.
hypothesis_settings.register_profile("deep", deadline=None, max_examples=DEEP)
hypothesis_settings.register_profile("full", deadline=None, max_examples=40)
hypothesis_settings.register_profile("quick", deadline=None, max_examples=10, stateful_step_count=20)
hypothesis_settings.load_profile("full")

OUTER = ("UNDERBUTLER_", "AWS_", "S3_", "CELERY_", "DAF_BUTLER_", "LSST_")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests with the services that they ask for."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        by_parameter = [value for value in callspec.params.values() if isinstance(value, str)] if callspec else []
        asked = [*getattr(item, "fixturenames", ()), *by_parameter]  # a parameter may name the fixture to take
        for service in {SERVICE_OF[name] for name in asked if name in SERVICE_OF}:
            item.add_marker(service)
        groups = [PINNED[name] for name in asked if name in PINNED]
        if item.path.relative_to(TESTS).parts[0] in TIERS_OF_MODULES and item.get_closest_marker("machine") is None:
            groups.append(item.path.stem)
        if groups and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(groups[0]))


@pytest.fixture(autouse=True)
def _no_outer_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the settings of whoever runs the tests; the home folder of Underbutler is the test's own."""
    for name in list(os.environ):
        if name.startswith(OUTER):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UNDERBUTLER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UNDERBUTLER_USER", "tester")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return default settings with a home of their own. Change some by ``settings.model_copy(update={…})``."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Settings(_env_file=None, home=home)


@pytest.fixture(scope="session")
def _guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture(scope="session")
def redis_server(_guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Iterator[int]]]:
    """Run a Redis server: its URL without a database, and a count of databases."""
    try:
        server = start_redis(tmp_path_factory.mktemp("redis"), databases=DATABASES, guard=_guard)
    except UsageError as error:
        missing("Redis", str(error))
    yield server.url.removesuffix("/0"), itertools.count(1)
    server.process.stop()


@pytest.fixture
def redis_url(redis_server: tuple[str, Iterator[int]]) -> Iterator[str]:
    """Return the URL of an empty Redis database."""
    import redis

    base, numbers = redis_server
    url = f"{base}/{next(numbers) % (DATABASES - 1) + 1}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(_postgres_server: str) -> Iterator[str]:
    """Return the SQLAlchemy URL of an empty PostgreSQL database."""
    with fresh_database(_postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def rabbitmq_node() -> Iterator[RabbitServer]:
    """Run a RabbitMQ node; `rabbitmq_node.call` reaches its management API."""
    with rabbitmq_server() as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_node: RabbitServer) -> Iterator[str]:
    """Return the AMQP URL of an empty virtual host."""
    with rabbitmq_node.fresh_vhost() as url:
        yield url


@pytest.fixture(scope="session")
def moto_endpoint(_guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Endpoint]:
    """Run moto's S3 over HTTP. Shared by all tests of a process: take bucket names of your own."""
    try:
        server: Server = start_s3(tmp_path_factory.mktemp("s3"), guard=_guard)
    except UsageError as error:
        missing("moto", str(error))
    yield S3Endpoint(url=server.url, access_key="testing", secret_key="testing")
    server.process.stop()


@pytest.fixture(scope="session")
def swift_endpoint() -> Iterator[S3Endpoint]:
    """Run OpenStack Swift with its S3 API, a store that checks what it is sent. Take bucket names of your own."""
    with swift_server() as endpoint:
        yield endpoint
