"""What the drills share: sites that are started once, the scale, and the table that is printed at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.drills.rival import Rival
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import FULL, PROPERTY, SMALL, Row, Scale, Table, as_text
from tests.support.drills.tasks import install_tasks
from tests.support.services import PostgresServer, RabbitServer, S3Endpoint, fresh_database, postgres_node
from underbutler.embedded.process import Guard

ORDER = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the drills' options; they are there when a path of the drills is given."""
    group = parser.getgroup("drills")
    group.addoption("--drill-scale", choices=("full", "small"), default=None, help="size of the drills")
    group.addoption("--drill-report", default=None, metavar="PATH", help="write the table there, .txt and .json")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the drills: they are run when asked for; those of one site are run one after the other.

    Those with a place of their own are for the process that is the first to be done with its site.
    """
    here = Path(__file__).parent
    for number, item in enumerate(items):
        if here in item.path.parents:
            item.add_marker("drill")
            fixtures = getattr(item, "fixturenames", ())
            group = "drills-large" if "large" in fixtures else "drills" if "site" in fixtures else item.path.stem
            item.add_marker(pytest.mark.xdist_group(group))
            item.add_marker(pytest.mark.timeout(900))
            item.stash[ORDER] = number


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of all drills, and write it where the option says."""
    rows = [
        Row(**value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not rows:
        return
    table = as_text(rows)
    terminalreporter.section(f"drills ({_scale(config).words})")
    terminalreporter.write_line(table)
    path = config.getoption("drill_report", None)
    if path:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".txt").write_text(table + "\n")
        target.with_suffix(".json").write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")


def _scale(config: pytest.Config) -> Scale:
    chosen = config.getoption("drill_scale", None) or os.environ.get("DRILL_SCALE")
    if chosen is None:
        chosen = "small" if os.environ.get("CI") == "true" else "full"
    return FULL if chosen == "full" else SMALL


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> Scale:
    """Return how large the drills are."""
    return _scale(pytestconfig)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Return what takes the rows of this drill."""
    return Table(request.node.user_properties, request.node.stash[ORDER])


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the drills' tasks."""
    folder = tmp_path_factory.mktemp("drill-packages")
    install_tasks(folder)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def broker(_guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillRedis]:
    """Run the Redis that the drills may kill; it keeps nothing."""
    server = DrillRedis(tmp_path_factory.mktemp("drill-redis"), _guard)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _site(
    broker: DrillRedis,
    swift_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DrillSite]:
    home = tmp_path_factory.mktemp("drill-site")
    with DrillSite(home, broker_url=broker.url, store=swift_endpoint, packages=packages, guard=_guard) as site:
        yield site


@pytest.fixture(scope="session")
def records() -> Iterator[PostgresServer]:
    """Run the PostgreSQL that the drills may end."""
    with postgres_node() as server:
        yield server


@pytest.fixture(scope="session")
def _large_site(
    records: PostgresServer,
    rabbitmq_node: RabbitServer,
    moto_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DrillSite]:
    home = tmp_path_factory.mktemp("drill-large")
    with (
        fresh_database(records.url) as database,
        fresh_database(records.url) as registry,
        rabbitmq_node.fresh_vhost() as broker_url,
        DrillSite(
            home,
            broker_url=broker_url,
            database_url=database,
            registry_url=registry,
            store=moto_endpoint,
            packages=packages,
            guard=_guard,
        ) as site,
    ):
        yield site


@pytest.fixture
def large() -> None:
    """Ask for the other deployment: RabbitMQ with quorum queues, PostgreSQL, moto."""


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[DrillSite]:
    """Return the site on Redis, SQLite and Swift, or the large one; nothing of it is spoiled when a drill begins."""
    site: DrillSite = request.getfixturevalue("_large_site" if "large" in request.fixturenames else "_site")
    site.clear()
    yield site
    site.clear()


@pytest.fixture(scope="session")
def _rival(broker: DrillRedis, _guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rival]:
    rival = Rival(tmp_path_factory.mktemp("drill-rival"), broker.url, _guard)
    yield rival
    rival.close()


@pytest.fixture(scope="session")
def _large_rival(
    rabbitmq_node: RabbitServer, _guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rival]:
    with rabbitmq_node.fresh_vhost() as broker_url:
        rival = Rival(tmp_path_factory.mktemp("drill-rival-rabbitmq"), broker_url, _guard)
        yield rival
        rival.close()


@pytest.fixture
def stock(request: pytest.FixtureRequest) -> Iterator[Rival]:
    """Return stock Celery on the same broker; none of its workers is left after a drill."""
    rival: Rival = request.getfixturevalue("_large_rival" if "large" in request.fixturenames else "_rival")
    yield rival
    rival.end()
