"""The records' database goes away under a running target: it waits, and has one effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from services import PostgresServer, S3Endpoint, eventually, postgres_node
from target_site import TargetSite, install_tasks, target_of

from underbutler import logs
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobStore

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("records_outage")]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_node() as node:
        yield node


@pytest.fixture(scope="module")
def site(
    server: PostgresServer, moto_endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetSite]:
    packages = tmp_path_factory.mktemp("packages")
    install_tasks(packages)
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(packages))
    logs.configure("INFO")
    made = TargetSite(tmp_path_factory.mktemp("site"), moto_endpoint, database_url=server.url, database_wait_s=5.0)
    yield made
    made.close()
    patch.undo()


class Awaited:
    """Tells when a child begins to wait for the records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        monkeypatch.setattr("workers.patience.log.warning", self._heard)

    def _heard(self, event: str, **_: Any) -> None:
        if event == "records_awaited":
            self.begun.set()


def before(monkeypatch: pytest.MonkeyPatch, verb: str, act: Callable[[], None]) -> None:
    """Do something before the first call of a verb of the records."""
    call, left = getattr(JobStore, verb), [act]

    def acting(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()()
        return call(*args, **kwargs)

    monkeypatch.setattr(JobStore, verb, acting)


@pytest.mark.parametrize("verb", ["claim", "intend", "begin_delivery", "complete"])
def test_a_server_that_is_restarted_at_any_step_is_waited_for(
    site: TargetSite, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    job, (one, _) = site.submitted("onePicture")
    awaited = Awaited(monkeypatch)
    before(monkeypatch, verb, server.end)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(site.run, one)
        assert awaited.begun.wait(60), "the target waits for the records"
        assert not running.done()
        server.start()
        assert running.result(60) is TargetState.DONE
    site.check_one_visible_effect(one)
    assert [claim.end for claim in site.context.jobs.claims(target_of(one))] == ["done"]
    assert site.context.jobs.job(job.id).phase == Phase.EXECUTING


def test_a_server_that_stands_still_is_waited_for(
    site: TargetSite, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (one, _) = site.submitted("onePicture")
    stopped = threading.Event()
    frozen: list[psutil.Process] = []

    def freeze() -> None:
        main = psutil.Process(server.process.pid)
        frozen.extend([main, *main.children(recursive=True)])
        for process in frozen:
            process.suspend()
        stopped.set()

    before(monkeypatch, "complete", freeze)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(site.run, one)
        try:
            assert stopped.wait(60)
            eventually(lambda: all(one.status() == psutil.STATUS_STOPPED for one in frozen), 20, "a server that stands")
            assert not running.done()
        finally:
            for process in reversed(frozen):
                process.resume()
        assert running.result(60) is TargetState.DONE
    site.check_one_visible_effect(one)
