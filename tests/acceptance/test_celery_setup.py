"""pytest-celery's `celery_setup` over processes of this machine: what `tests/docker` does to containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from pytest_celery import CeleryTestBroker, CeleryTestSetup, CeleryTestWorker

from tests.support import celery_site
from tests.support.celery_site import SETTINGS, NodeSite, make_night
from tests.support.probes.package import install_probes
from tests.support.stack.local_nodes import LocalRedis, LocalWorker
from underbutler.embedded.process import Guard
from underbutler.embedded.stack import Stack, environment_of
from underbutler.settings import Settings

pytestmark = pytest.mark.xdist_group("celery_setup")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Run an annex and records with a small night; broker and workers are the nodes."""
    home, packages = tmp_path_factory.mktemp("nodes"), tmp_path_factory.mktemp("node_packages")
    install_probes(packages)
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(packages))
    patch.syspath_prepend(str(packages))
    try:
        with Stack(home, with_worker=False) as stack:
            make_night(home, stack.settings)
            yield stack.settings.model_copy(update=SETTINGS)
    finally:
        patch.undo()


@pytest.fixture
def celery_broker(place: Settings, tmp_path: Path, _guard: Guard) -> Iterator[CeleryTestBroker]:
    """Return a broker of the test's own."""
    node = CeleryTestBroker(LocalRedis(tmp_path / "redis", _guard))
    yield node
    node.teardown()


@pytest.fixture
def celery_backend_cluster() -> None:
    """Return none: results are in the records."""


@pytest.fixture
def node_site(celery_broker: CeleryTestBroker, place: Settings) -> Iterator[NodeSite]:
    """Return what submits, waits and sweeps."""
    site = NodeSite(place.model_copy(update={"broker_url": celery_broker.config()["host_url"]}))
    yield site
    site.close()


@pytest.fixture
def celery_setup_app(node_site: NodeSite) -> Celery:
    """Return the app of a submitter, as ours are configured."""
    return node_site.app


@pytest.fixture
def celery_worker(node_site: NodeSite, tmp_path: Path, _guard: Guard) -> Iterator[CeleryTestWorker]:
    """Return a worker of the test's own."""
    settings = node_site.settings
    environment = environment_of(settings) | celery_site.environment(settings)
    worker = LocalWorker(tmp_path / "worker", _guard, environment | {"UNDERBUTLER_HOME": str(settings.home)})
    node = CeleryTestWorker(worker, node_site.app)
    yield node
    node.teardown()


def test_a_job_is_done_and_announced(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_job_is_done_and_announced(celery_setup, node_site)


def test_a_killed_worker_is_followed_by_itself(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_killed_worker_is_followed_by_itself(celery_setup, node_site)


def test_a_killed_broker_forgets_nothing(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_killed_broker_forgets_nothing(celery_setup, node_site)
