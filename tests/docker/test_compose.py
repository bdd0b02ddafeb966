"""docker-compose.yml brought up for real: a job from outside, its objects, its notices, its run; scaled, and ended."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.containers.compose_stack import ComposeStack, left_of
from tests.support.containers.images import STANDINS, UID
from tests.support.services import eventually
from underbutler.annex import make_client, watch
from underbutler.catalog import Broker
from underbutler.context import ServiceContext
from underbutler.settings import load_settings

pytestmark = [pytest.mark.xdist_group("compose"), pytest.mark.timeout(400)]

LASTING = {"redis", "postgres", "s3", "worker-quick", "worker-bulk", "beat", "flower", "api", "runs"}
NIGHT_ID = ("--id", "instrument=SIMCAM", "detector=0", "-d", "exposure.observation_type = 'science'")
RAW_ONLY = ("-c", "doBias=false", "doDark=false", "doFlat=false")


@pytest.fixture(scope="module")
def butler() -> Iterator[Path]:
    """Return a folder that has the same path here and in the containers, with a small simulated night in it."""
    import shutil

    from underbutler.testing.night import simulate_night

    folder = Path(mkdtemp(prefix="underbutler-compose-"))
    folder.chmod(0o755)
    shutil.chown(folder, UID)
    simulate_night(folder / "night", n_bias=0, n_flat=0, n_science=1, detectors=(0,), shape=(600, 600), seed=3)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def stack(image: str, butler: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Bring everything up as the README says; in the end nothing of it is left."""
    changes = {
        "UNDERBUTLER_IMAGE": image,
        "UNDERBUTLER_UID": UID,
        "BUTLER_VOLUME": butler,
        "BUTLER_ROOT": butler,
        "QUICK_CHILDREN": 1,
        "BULK_CHILDREN": 1,
    }
    if STANDINS:
        changes["S3_ACCESS_KEY_ID"] = "test:tester"  # Swift's keys are ACCOUNT:USER
    made = ComposeStack(f"ubt{uuid4().hex[:8]}", tmp_path_factory.mktemp("compose"), standins=STANDINS, changes=changes)
    try:
        made("up", "--wait", "--no-build")
        yield made
    finally:
        made("--profile", "*", "down", "--volumes", "--timeout", "20", check=False)
    assert left_of(made.project) == []


@pytest.fixture
def context(stack: ComposeStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceContext]:
    """Open what the stack publishes, as a program on the host does."""
    for name, value in stack.settings.items():
        if name.startswith("UNDERBUTLER_") and name != "UNDERBUTLER_HOME":
            monkeypatch.setenv(name, value)
    with ServiceContext(load_settings()) as opened:
        yield opened


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Return a container's variables."""
    return dict(pair.split("=", 1) for pair in container["Config"]["Env"])


def test_all_is_healthy_unprivileged_read_only_and_local(stack: ComposeStack) -> None:
    found = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in stack.containers()}
    assert set(found) == LASTING | {"check", "migrate"}
    assert len(stack.containers("beat")) == 2
    for name, container in found.items():
        state, host = container["State"], container["HostConfig"]
        if name in LASTING:
            assert state["Health"]["Status"] == "healthy", name
            assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        else:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), name
        assert container["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        for bindings in host["PortBindings"].values():
            assert all(ipaddress.ip_address(one["HostIp"]).is_loopback for one in bindings), name
    redis = found["redis"]
    assert environment(redis)["REDIS_PASSWORD"] not in json.dumps([redis["Args"], redis["Path"]])
    assert stack("exec", "-T", "redis", "redis-cli", "ping", check=False).stdout.strip() != "PONG", "no password given"
    told = "".join(stack.logs(service) for service in (*LASTING, "check", "migrate"))
    assert "example-" not in told, "no password is logged"


def test_a_job_from_outside_ends_as_object_notice_and_run(
    stack: ComposeStack, butler: Path, context: ServiceContext
) -> None:
    """From the host to the queue `bulk`, and from a container to the queue `quick`."""
    stack.cli("repo", "create", f"{butler}/demo", "--label", "demo")
    frames = [str(path) for path in sorted((butler / "night").glob("*.fits"))]
    assert "1 ingested" in stack.cli("ingest", "demo", *frames)
    enough, heard = threading.Event(), []
    with watch(context.settings, stop=enough, timeout_s=180) as notices:
        job = stack.underbutler("submit", "processCcd", "demo", *NIGHT_ID, *RAW_ONLY, "--queue", "bulk").strip()
        for notice in notices:
            heard.append(notice)
            if len(heard) == 2:
                break
    row = eventually(lambda: _ended(context, job), 120, "the end of the job")
    assert row.phase == "COMPLETED", context.jobs.read.claims(row.id)
    assert {claim.worker.partition("@")[0] for claim in context.jobs.read.claims(row.id)} == {"bulk"}
    assert {notice.job for notice in heard} == {str(row.id)}
    assert {notice.generator for notice in heard} == {"processCcd.calexp", "processCcd.preview"}
    client = make_client(context.settings)
    for notice in heard:
        bucket, _, key = notice.url.removeprefix("s3://").partition("/")
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (notice.byteSize, notice.checkSum)
    data = Broker(context.settings.records_url)[job].primary.read()
    assert data["calexp"].shape == (1, 600, 600)
    far = Broker(f"http://127.0.0.1:{stack.settings['API_PORT']}/runs")
    assert float(far[job].primary.read()["fwhm"].values[0]) == float(data["fwhm"].values[0])

    again = json.loads(stack.cli("submit", "processCcd", "demo", *NIGHT_ID, *RAW_ONLY, "--wait", "--format", "json"))
    assert again["counts"] == {"done": 1}
    assert {one.worker.partition("@")[0] for one in context.jobs.read.claims(UUID(again["job"]))} == {"quick"}


def _ended(context: ServiceContext, job: str) -> Any:
    row = context.jobs.read.job(UUID(job))
    return row if row.phase in {"COMPLETED", "ERROR", "ABORTED"} else None


def test_flower_is_closed_without_its_password(stack: ComposeStack) -> None:
    port, password = stack.settings["FLOWER_PORT"], stack.settings["FLOWER_PASSWORD"]
    for path in ("/", "/api/workers", "/api/tasks"):
        for words in (None, "flower:wrong"):
            assert _fetch(f"http://127.0.0.1:{port}{path}", words)[0] == 401
    told = eventually(
        lambda: json.loads(_fetch(f"http://127.0.0.1:{port}/api/workers?refresh=1", f"flower:{password}")[1]),
        90,
        "workers that Flower knows",
    )
    assert {name.partition("@")[0] for name in told} == {"quick", "bulk"}


def _fetch(url: str, words: str | None) -> tuple[int, str]:
    headers = {} if words is None else {"Authorization": f"Basic {b64encode(words.encode()).decode()}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_a_queue_gets_more_workers_when_it_is_scaled(stack: ComposeStack, context: ServiceContext) -> None:
    stack("up", "--wait", "--no-build", "--no-recreate", "--scale", "worker-bulk=2", "worker-bulk")
    living = eventually(
        lambda: [one for one in context.jobs.workers.known(living_within_s=60) if one.queue == "bulk"][1:],
        90,
        "two workers",
    )
    assert len(living) == 1
    assert [one["State"]["Health"]["Status"] for one in stack.containers("worker-bulk")] == ["healthy"] * 2
    assert len(stack.containers("worker-quick")) == 1


def test_the_examples_passwords_are_refused_where_others_reach(stack: ComposeStack, tmp_path: Path, image: str) -> None:
    """Nothing is started: no port is open for the time until somebody looks."""
    open_to_all = ComposeStack(
        f"{stack.project}x",
        tmp_path,
        standins=STANDINS,
        changes={"UNDERBUTLER_IMAGE": image, "UNDERBUTLER_UID": UID, "UNDERBUTLER_BIND": "0.0.0.0"},
    )
    try:
        refused = open_to_all("up", "--wait", "--no-build", check=False)
        assert refused.returncode != 0
        said = open_to_all.logs("check")
        for name in ("REDIS_PASSWORD", "POSTGRES_PASSWORD", "S3_SECRET_ACCESS_KEY", "FLOWER_PASSWORD"):
            assert f"{name} is that of .env.example, and ports are published at 0.0.0.0" in said
        assert "openssl rand" in said
        started = [one["Name"] for one in open_to_all.containers() if one["State"]["StartedAt"][:4] != "0001"]
        assert [name for name in started if "check" not in name] == []
    finally:
        open_to_all("down", "--volumes", check=False)
    assert left_of(open_to_all.project) == []
