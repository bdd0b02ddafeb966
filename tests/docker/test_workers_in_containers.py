"""pytest-celery with our image as the worker: killed, cut off, short of memory, and upgraded while it works."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from celery import Celery
from docker import DockerClient
from docker.models.networks import Network
from pytest_celery import (
    CeleryTestBroker,
    CeleryTestSetup,
    CeleryTestWorker,
    RedisContainer,
    RedisTestBroker,
)
from pytest_docker_tools import container, fxtr, network

from tests.support import celery_site
from tests.support.celery_site import SETTINGS, NodeSite, make_night
from tests.support.containers.images import S3_IMAGE, S3_KEY, UID, built
from tests.support.containers.worker_containers import KeepingRedis, WorkerContainer, of_postgres, variables
from tests.support.probes.package import install_probes
from tests.support.services import eventually
from underbutler.embedded.process import free_port
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.settings import Settings

pytestmark = [pytest.mark.xdist_group("containers"), pytest.mark.timeout(480)]

PASSWORD = "only-of-this-test"

# One network for all; servers that no test breaks are started once.
default_pytest_celery_network = network(scope="session")

postgres = container(
    image="postgres:15",
    scope="session",
    user="postgres",
    network="{default_pytest_celery_network.name}",
    environment={"POSTGRES_USER": "underbutler", "POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DB": "underbutler"},
    ports={"5432/tcp": ("127.0.0.1", None)},
    timeout=60,
)
annex = container(
    image=S3_IMAGE,
    scope="session",
    user="10001",
    network="{default_pytest_celery_network.name}",
    environment={
        "ROOT_ACCESS_KEY": S3_KEY,
        "ROOT_SECRET_KEY": PASSWORD,
        "VGW_PORT": ":7070",
        "VGW_BACKEND": "posix",
        "VGW_BACKEND_ARGS": "/data",
        "VGW_REGION": "us-east-1",
        "VGW_HEALTH": "/health",
    },
    tmpfs={"/data": "mode=1777"},
    ports={"7070/tcp": ("127.0.0.1", None)},
    timeout=60,
)
default_redis_broker = container(
    image="{default_redis_broker_image}",
    ports=fxtr("default_redis_broker_ports"),
    network="{default_pytest_celery_network.name}",
    wrapper_class=KeepingRedis,
    command=fxtr("default_redis_broker_command"),
    timeout=60,
)
default_worker_container = container(
    image="{worker_image}",
    command=fxtr("default_worker_command"),
    environment=fxtr("default_worker_env"),
    network="{default_pytest_celery_network.name}",
    volumes=fxtr("worker_volumes"),
    user=str(UID),
    init=True,
    read_only=True,
    tmpfs={"/tmp": "mode=1777"},
    mem_limit=fxtr("worker_memory"),
    wrapper_class=WorkerContainer,
    timeout=90,
)


@pytest.fixture(scope="session")
def place(image: str, postgres: Any, annex: Any) -> Iterator[Settings]:
    """Return how this process reaches records, annex and a repository with a small night."""
    folder = Path(mkdtemp(prefix="underbutler-containers-"))
    folder.chmod(0o755)
    (folder / "home").mkdir()
    (folder / "packages").mkdir()
    install_probes(folder / "packages")
    port, s3 = postgres.ports["5432/tcp"][0], annex.ports["7070/tcp"][0]
    settings = Settings(
        _env_file=None,
        home=folder / "home",
        repository_index=str(folder / "repositories.yaml"),
        database_url=of_postgres("127.0.0.1", port, PASSWORD),
        s3_endpoint_url=f"http://127.0.0.1:{s3}",
        s3_access_key_id=S3_KEY,
        s3_secret_access_key=PASSWORD,
        **SETTINGS,
    )
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(folder / "packages"))
    eventually(lambda: _upgraded(settings), 120, "a database that answers")
    make_night(folder, settings)
    _give(folder)
    yield settings
    patch.undo()
    shutil.rmtree(folder, ignore_errors=True)


def _upgraded(settings: Settings) -> bool:
    from underbutler.errors import TransientError

    try:
        upgrade(settings.records_url)
    except TransientError:
        return False
    return True


def _give(folder: Path) -> None:
    """Give a folder to the containers' user; what this process makes there later, everybody may write to."""
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, UID)


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    """Let the containers' user write where this process makes folders: root and he share a repository."""
    import os

    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def default_redis_broker_cls() -> type[RedisContainer]:
    """Return the broker's class."""
    return KeepingRedis


@pytest.fixture
def default_redis_broker_ports(image: str) -> dict[str, tuple[str, int]]:
    """Return a port that it keeps when it is started again."""
    return {"6379/tcp": ("127.0.0.1", free_port())}


@pytest.fixture
def celery_broker(default_redis_broker: KeepingRedis) -> CeleryTestBroker:
    """Return the one broker: not the plugin's product of all."""
    return RedisTestBroker(default_redis_broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """Return none: results are in the records."""


@pytest.fixture
def node_site(celery_broker: CeleryTestBroker, place: Settings) -> Iterator[NodeSite]:
    """Return what submits, waits and sweeps."""
    url = f"redis://127.0.0.1:{celery_broker.container.port}/0"
    site = NodeSite(place.model_copy(update={"broker_url": url}))
    yield site
    site.close()


@pytest.fixture
def celery_setup_app(node_site: NodeSite) -> Celery:
    """Return the app of a submitter, as ours are configured."""
    return node_site.app


@pytest.fixture
def default_worker_container_cls() -> type[WorkerContainer]:
    """Return the worker's class."""
    return WorkerContainer


@pytest.fixture
def worker_image(image: str) -> str:
    """Return the image of the worker."""
    return image


@pytest.fixture
def worker_memory() -> str | None:
    """Return the memory of the worker's container."""
    return None


@pytest.fixture
def worker_volumes(place: Settings) -> dict[str, dict[str, str]]:
    """Return what it shares with this process: repository and probes, at the same path."""
    folder = str(place.home.parent)
    return {folder: {"bind": folder, "mode": "rw"}}


@pytest.fixture
def default_worker_env(place: Settings, celery_broker: CeleryTestBroker, postgres: Any, annex: Any) -> dict[str, str]:
    """Return its settings: the services by their names in the network."""
    folder = place.home.parent
    return variables(
        {
            **SETTINGS,
            "home": folder / "home",
            "user": "tester",
            "broker_url": celery_broker.config()["url"],
            "database_url": of_postgres(postgres.name, 5432, PASSWORD),
            "repository_index": place.index_uri,
            "s3_endpoint_url": f"http://{annex.attrs['Config']['Hostname']}:7070",
            "s3_access_key_id": S3_KEY,
            "s3_secret_access_key": PASSWORD,
        }
    ) | {"PYTHONPATH": str(folder / "packages"), "HOME": "/tmp"}


@pytest.fixture
def celery_worker(celery_setup_worker: CeleryTestWorker) -> CeleryTestWorker:
    """Return the one worker."""
    return celery_setup_worker


def test_a_job_is_done_and_announced(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_job_is_done_and_announced(celery_setup, node_site)


def test_a_killed_worker_is_followed_by_itself(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_killed_worker_is_followed_by_itself(celery_setup, node_site)


def test_a_killed_broker_forgets_nothing(celery_setup: CeleryTestSetup, node_site: NodeSite) -> None:
    celery_site.a_killed_broker_forgets_nothing(celery_setup, node_site)


def test_a_worker_that_was_cut_off_resumes_with_the_network(
    celery_setup: CeleryTestSetup, node_site: NodeSite, default_pytest_celery_network: Network
) -> None:
    """From broker, records and annex at once, in the middle of a target."""
    worker = celery_setup.worker
    assert worker is not None
    job = node_site.submit("probeWrite", "-c", "seconds=2")
    node_site.running(job)
    default_pytest_celery_network.disconnect(worker.container.id)
    time.sleep(3)  # the target's science ends where nobody can be told
    assert node_site.context.jobs.read.counts(job.id)[TargetState.DONE] == 0
    default_pytest_celery_network.connect(worker.container.id)
    node_site.completed(job, timeout=150)


@pytest.mark.parametrize("worker_memory", ["700m"])
def test_a_target_that_needs_too_much_memory_is_held(
    worker_memory: str, celery_setup: CeleryTestSetup, node_site: NodeSite
) -> None:
    """The kernel kills the child, and not the container: its neighbours go on."""
    job = node_site.submit("probeHoard", "--id", "instrument=SIMCAM", "detector=0", "exposure=2026112000003")
    held = node_site.swept(lambda: node_site.targets(job)[0].state == TargetState.HELD, 120, "a target that is held")
    assert held
    assert node_site.targets(job)[0].deaths == 3
    assert [claim.end for claim in node_site.context.jobs.read.claims(job.id)] == ["died"] * 3
    assert celery_setup.worker is not None
    celery_setup.worker.container.reload()
    assert celery_setup.worker.container.status == "running"
    node_site.completed(node_site.submit("probeWrite"))


@pytest.fixture(scope="session")
def next_image(image: str) -> str:
    """Build the next release: ours, with a message of the next version."""
    return built(
        "underbutler:next",
        f"""
        FROM {image}
        USER root
        RUN sed -i 's/^MESSAGE_VERSION = 1$/MESSAGE_VERSION = 2/' \\
            /opt/underbutler/lib/python3*/site-packages/underbutler/model/dataref.py
        USER {UID}
        """,
    )


def test_workers_are_upgraded_first_and_submitters_after_them(
    celery_setup: CeleryTestSetup,
    node_site: NodeSite,
    next_image: str,
    docker_client: DockerClient,
    default_worker_env: dict[str, str],
    worker_volumes: dict[str, dict[str, str]],
    default_pytest_celery_network: Network,
) -> None:
    """Both releases on one queue, as workers and as submitters: whatever the order, each target is done once."""
    common: dict[str, Any] = {
        "image": next_image,
        "environment": default_worker_env,
        "volumes": worker_volumes,
        "network": default_pytest_celery_network.name,
        "user": str(UID),
    }
    words = ["underbutler", "submit", "probeWrite", "demo", *celery_site.NIGHT_ID]
    # A submitter of the next release is too early: there are only workers of this one, and they let its message wait.
    early = docker_client.containers.run(command=words, remove=True, stderr=False, **common).decode().strip()
    job = node_site.context.jobs.read.job(early)
    old = celery_setup.worker
    assert old is not None
    old.assert_log_exists("is of version 2; this worker reads [1]", timeout=120)
    assert node_site.context.jobs.read.counts(job.id)[TargetState.QUEUED] == 2
    assert not node_site.context.jobs.quarantine.parked(), "what this release cannot read is not a poison"
    new = docker_client.containers.run(command=WorkerContainer.command(), detach=True, init=True, **common)
    try:
        eventually(lambda: b" ready." in new.logs(), 150, "a worker of the next release")
        # Workers of both releases, and messages of both on one queue.
        for one in (node_site.submit("probeWrite"), job):
            node_site.completed(one)
        # The old worker goes, and the last submitter of this release has not: the next one reads what it sends.
        old.kill("SIGTERM")
        node_site.completed(node_site.submit("probeWrite"))
    finally:
        new.remove(force=True)
