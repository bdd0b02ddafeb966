"""What the drills share: sites that are started once, the scale, and the table that is printed at the end."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drill_rival import Rival
from drill_services import DrillRedis
from drill_site import DrillSite, install_tasks
from drill_table import FULL, PROPERTY, SMALL, Row, Scale, Table, as_text
from services import S3Endpoint

from underbutler.embedded.process import Guard

GROUP = "drills"
TASKS = Path(__file__).parent.parent / "drill_probes" / "drill_tasks.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the drills' options; they are there when a path of the drills is given."""
    group = parser.getgroup("drills")
    group.addoption("--drill-scale", choices=("full", "small"), default=None, help="size of the drills")
    group.addoption("--drill-report", default=None, metavar="PATH", help="write the table there, .txt and .json")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the drills: they are run when asked for, and one at a time."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("drill")
            item.add_marker(pytest.mark.xdist_group(GROUP))
            item.add_marker(pytest.mark.timeout(600))


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


ORDER = itertools.count()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Return what takes the rows of this drill."""
    return Table(request.node.user_properties, next(ORDER))


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the drills' tasks."""
    folder = tmp_path_factory.mktemp("drill-packages")
    install_tasks(folder, TASKS)
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


@pytest.fixture
def site(_site: DrillSite) -> Iterator[DrillSite]:
    """Return the site on Redis, SQLite and Swift; nothing of it is spoiled when a drill begins."""
    _site.faults.heal()
    yield _site
    _site.faults.heal()


@pytest.fixture(scope="session")
def _rival(broker: DrillRedis, _guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rival]:
    rival = Rival(tmp_path_factory.mktemp("drill-rival"), broker.url, _guard)
    yield rival
    rival.close()


@pytest.fixture
def stock(_rival: Rival) -> Iterator[Rival]:
    """Return stock Celery on the same Redis; none of its workers is left after a drill."""
    yield _rival
    _rival.end()


@pytest.fixture
def clock() -> Callable[[], float]:
    """Return the clock that the records use too: they are on this machine."""
    return time.time
