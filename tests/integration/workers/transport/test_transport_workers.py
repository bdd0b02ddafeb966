"""Workers over the atomic transport that are killed, cut off and stopped: every message is run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.programs.transport_app import said
from tests.support.services import eventually
from tests.support.transport_site import Store, all_said, queue_named, send_words, stock, worker
from underbutler.embedded.process import Guard, Process
from underbutler.embedded.servers import start_redis
from underbutler.settings import Settings

SHORT_TIMEOUT_S = 5
HANG_S = 15
"""Longer than the transport's health check and its patience with one call."""


@pytest.fixture
def site(settings: Settings, redis_url: str) -> Settings:
    return settings.model_copy(update={"broker_url": redis_url, "visibility_timeout_s": SHORT_TIMEOUT_S})


def test_workers_that_are_killed_lose_nothing(site: Settings, folder: Path) -> None:
    send_words(site, folder, range(500), seconds=0.005)
    for number in range(4):
        with worker(site, folder, "-c", "2", name=f"victim{number}") as victim:
            eventually(lambda n=number: len(set(said(folder))) > 60 * (n + 1), 60, "some work")
            victim.kill()
    assert len(set(said(folder))) < 500, "the kills came in the middle"
    with worker(site, folder, "-c", "2"):
        words = all_said(folder, 500)
        eventually(lambda: not Store(site).booked(), 30, "nothing booked")
    assert {int(word) for word in words} == set(range(500))
    assert Store(site).waiting(site.queue) == []


def test_a_worker_that_stops_leaves_nothing_and_repeats_nothing(site: Settings, folder: Path) -> None:
    send_words(site, folder, range(60), seconds=0.05)
    with worker(site, folder, "-c", "2", name="first") as first:
        eventually(lambda: len(said(folder)) > 10, 60, "some work")
        first.stop(patience_s=30)
    assert Store(site).booked() == {}
    waiting = len(Store(site).waiting(site.queue))
    assert len(said(folder)) + waiting == 60
    with worker(site, folder, "-c", "2"):
        words = all_said(folder, 60)
    assert sorted(map(int, words)) == list(range(60))
    assert Store(site).booked() == {}


def test_a_stock_worker_runs_what_a_killed_worker_had_booked(site: Settings, folder: Path) -> None:
    send_words(site, folder, ["slow"], seconds=3)
    with worker(site, folder, "-c", "1", name="victim") as victim:
        eventually(lambda: Store(site).booked(), 30, "a booking")
        victim.kill()
    ((message, exchange, queue),) = Store(site).booked().values()
    assert (exchange, queue) == ("", site.queue)
    assert message["headers"]["task"] == "say"
    assert said(folder) == []
    with worker(site.model_copy(update={"redis_transport": "stock"}), folder, "-c", "2", name="stock"):
        assert all_said(folder, 1) == ["slow"]
        eventually(lambda: not Store(site).booked(), 30, "nothing booked")


def test_one_worker_takes_from_several_queues(site: Settings, folder: Path) -> None:
    queues = ("first", "second", "third")
    with worker(site, folder, "-c", "2", queues=queues):
        for queue in queues:
            send_words(site, folder, [f"{queue}{n}" for n in range(20)], queue)
        assert len(all_said(folder, 60)) == 60


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_take_and_acknowledge(pool: str, site: Settings, folder: Path) -> None:
    send_words(site, folder, range(50))
    with worker(site, folder, "-P", pool, "-c", "2"):
        all_said(folder, 50)
        eventually(lambda: not Store(site).booked(), 20, "nothing booked")
        send_words(site, folder, ["later"])
        assert len(all_said(folder, 51)) == 51


def test_a_worker_answers_remote_control(site: Settings, folder: Path) -> None:
    from underbutler.broker import make_app

    with worker(site, folder, "-c", "1"):
        app = make_app(site)
        (answer,) = app.control.ping(timeout=10, limit=1)
        assert list(answer.values()) == [{"ok": "pong"}]


def test_redis_that_is_killed_and_returns_loses_nothing_it_kept(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    with Guard() as guard:
        server = start_redis(tmp_path / "redis", keep=True, guard=guard)
        site = settings.model_copy(update={"broker_url": server.url, "visibility_timeout_s": SHORT_TIMEOUT_S})
        Store(site).client.config_set("appendfsync", "always")
        send_words(site, folder, range(200), seconds=0.02)
        with worker(site, folder, "-c", "2") as running:
            eventually(lambda: len(said(folder)) > 20, 60, "some work")
            server.process.kill()
            server.process.stop()
            again = Process("redis", server.process.command, guard=guard)
            words = all_said(folder, 200, 90)
            eventually(lambda: not Store(site).booked(), 40, "nothing booked")
            assert running.exit_code is None, "the same worker went on"
            running.stop(patience_s=20)
        again.stop()
    assert {int(word) for word in words} == set(range(200))


def test_a_redis_that_hangs_is_waited_out(settings: Settings, folder: Path, tmp_path: Path) -> None:
    with Guard() as guard:
        server = start_redis(tmp_path / "redis", guard=guard)
        site = settings.model_copy(update={"broker_url": server.url, "visibility_timeout_s": SHORT_TIMEOUT_S})
        with worker(site, folder, "-c", "2") as running:
            send_words(site, folder, range(20))
            all_said(folder, 20)
            os.kill(server.process.pid, signal.SIGSTOP)
            time.sleep(HANG_S)  # what is tested is the worker after an outage of a certain length
            os.kill(server.process.pid, signal.SIGCONT)
            send_words(site, folder, range(20, 40))
            assert len(set(all_said(folder, 40, 90))) == 40
            assert running.exit_code is None, "the same worker went on"
            running.stop(patience_s=20)
        server.process.stop()


def test_connections_that_redis_closed_are_opened_again(site: Settings, folder: Path) -> None:
    """Redis closes idle connections (`timeout`), and administrators kill clients."""
    store = Store(site)
    with worker(site, folder, "-c", "2") as running:
        send_words(site, folder, range(10))
        all_said(folder, 10)
        for number in range(3):
            idle = [client for client in store.client.client_list() if client["cmd"] in {"eval", "evalsha"}]
            assert idle, "the connection on which messages are taken"
            for client in idle:
                store.client.client_kill_filter(_id=client["id"])
            send_words(site, folder, range(10 * (number + 1), 10 * (number + 2)))
            all_said(folder, 10 * (number + 2))
        store.client.client_kill_filter(_type="normal", skipme=True)
        send_words(site, folder, ["last"])
        all_said(folder, 41)
        assert running.exit_code is None, "the same worker went on"


def test_a_worker_with_priorities_does_not_start_and_says_why(
    site: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = folder / "prioritized_app.py"
    module.write_text(
        "from tests.support.programs.transport_app import app\n"
        "app.conf.broker_transport_options = {**app.conf.broker_transport_options, 'priority_steps': [0, 3, 6, 9]}\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with worker(site, folder, "-c", "1", app="prioritized_app", wait=False) as refused:
        eventually(lambda: refused.exit_code is not None, 60, "its end")
        assert refused.exit_code != 0
        log = (folder / "worker.log").read_text()
    assert "priority_steps is [0, 3, 6, 9]" in log
    assert "UNDERBUTLER_REDIS_TRANSPORT=stock" in log


def test_stock_transport_still_works_by_the_setting(site: Settings, folder: Path) -> None:
    plain = site.model_copy(update={"redis_transport": "stock"})
    send_words(plain, folder, range(20))
    with worker(plain, folder, "-c", "2"):
        all_said(folder, 20)
        assert "transport:   redis://" in (folder / "worker.log").read_text()


def test_queues_are_declared_as_producers_declare_them(site: Settings, folder: Path) -> None:
    """A producer that comes later binds nothing new: both sides name exchange, queue and key alike."""
    with worker(site, folder, "-c", "1"):
        before = set(Store(site).client.smembers(f"{site.broker_prefix}_kombu.binding.{site.queue}"))
        with stock(site) as opened, opened.channel() as channel:
            queue_named(site.queue)(channel).declare()
        assert set(Store(site).client.smembers(f"{site.broker_prefix}_kombu.binding.{site.queue}")) == before
