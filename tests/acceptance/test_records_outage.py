"""The records' database goes away under a running target: it waits, and has one effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from tests.support.services import PostgresServer, S3Endpoint, eventually, postgres_node
from tests.support.target_site import TargetSite, open_target_site, target_of
from underbutler.model.job import Phase, TargetState
from underbutler.records.datasets.intents import Intents
from underbutler.records.targets.claims import Claims
from underbutler.telemetry import logs

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("records_outage")]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_node() as node:
        yield node


@pytest.fixture(scope="module")
def site(
    server: PostgresServer, moto_endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetSite]:
    logs.configure("INFO")
    with open_target_site(tmp_path_factory, moto_endpoint, database_url=server.url, database_wait_s=5.0) as made:
        yield made


class Awaited:
    """Tells when a child begins to wait for the records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        monkeypatch.setattr("workers.target.waiting_for_records.log.warning", self._heard)

    def _heard(self, event: str, **_: Any) -> None:
        if event == "records_awaited":
            self.begun.set()


def before(monkeypatch: pytest.MonkeyPatch, role: type[Any], verb: str, act: Callable[[], None]) -> None:
    """Do something before the first call of a verb of the records."""
    call, left = getattr(role, verb), [act]

    def acting(*args: Any, **kwargs: Any) -> Any:
        if left:
            left.pop()()
        return call(*args, **kwargs)

    monkeypatch.setattr(role, verb, acting)


@pytest.mark.parametrize(
    ("role", "verb"),
    [(Claims, "grant"), (Intents, "record"), (Claims, "begin_delivery"), (Claims, "complete")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_is_restarted_at_any_step_is_waited_for(
    site: TargetSite, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, role: type[Any], verb: str
) -> None:
    job, (one, _) = site.submitted("onePicture")
    awaited = Awaited(monkeypatch)
    before(monkeypatch, role, verb, server.end)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(site.run, one)
        assert awaited.begun.wait(60), "the target waits for the records"
        assert not running.done()
        server.start()
        assert running.result(60) is TargetState.DONE
    site.check_one_visible_effect(one)
    assert [claim.end for claim in site.context.jobs.read.claims(target_of(one))] == ["done"]
    assert site.context.jobs.read.job(job.id).phase == Phase.EXECUTING


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

    before(monkeypatch, Claims, "complete", freeze)
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
