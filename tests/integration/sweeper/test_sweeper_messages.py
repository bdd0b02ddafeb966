"""Leases, messages and notices: what died goes again, what was lost is found, and what is merely busy is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from tests.support.databases import ON_BOTH
from tests.support.records.rows import let_wait_pass, notice_of, product
from tests.support.sweeper_site import Site, names, open_site
from underbutler.annex import NoticeConsumer
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.embedded.process import free_port
from underbutler.errors import BrokerUnavailableError, RecordsUnavailableError
from underbutler.model.job import Phase, TargetState
from underbutler.records import Outcome, Worker
from underbutler.settings import Settings
from underbutler.sweeper import Limits, Sweeper, sweep

# Leases


@ON_BOTH
def test_a_target_whose_worker_is_gone_is_done_by_another(site: Site) -> None:
    _, (target,) = site.submit()
    site.sweep()
    assert site.messages() == [(str(target.id), 1)]
    site.claim(target.id, worker="gone")
    assert site.sweep()["leases"].counts == {"ended": 0}, "its lease has not run out"
    site.expire(target.id)
    report = site.sweep()
    assert report["leases"].counts == {"ended": 1, "now queued": 1}
    assert report["messages"].counts == {"sent": 1}
    assert site.messages() == [(str(target.id), 2)]
    second = site.claim(target.id, worker="other")
    assert second.worker_deaths == 1
    assert second.deaths == 0, "its child is not to blame"
    site.jobs.claims.complete(second, Outcome(state=TargetState.DONE))
    first, last = site.jobs.read.claims(target.id)
    assert (first.end, last.end) == ("expired", "done")
    assert "gone has not renewed its lease" in str(first.reason)


def test_a_target_under_which_workers_die_too_often_is_held(site: Site) -> None:
    row, (target,) = site.submit()
    for _ in range(site.settings.max_worker_deaths):
        site.sweep("messages")
        site.claim(target.id)
        site.expire(target.id)
        report = site.sweep("leases")
    assert report["leases"].counts == {"ended": 1, "now held": 1}
    assert site.state(target.id) == TargetState.HELD
    assert site.jobs.read.job(row.id).phase == Phase.ERROR
    assert site.sweep()["messages"].counts == {"sent": 0}


@ON_BOTH
def test_a_cancelled_target_of_a_dead_worker_is_aborted(site: Site) -> None:
    row, (target,) = site.submit()
    site.sweep("messages")
    site.claim(target.id)
    site.jobs.cancellation.cancel(row.id)
    assert site.state(target.id) == TargetState.RUNNING, "its keeper ends it, when there is one"
    site.expire(target.id)
    assert site.sweep()["leases"].counts == {"ended": 1, "now aborted": 1}
    assert site.jobs.read.job(row.id).phase == Phase.ABORTED


@ON_BOTH
def test_a_delivery_whose_worker_is_gone_is_sent_to_be_resumed(site: Site) -> None:
    _, (target,) = site.submit()
    site.sweep("messages")
    site.messages()
    claim = site.claim(target.id)
    site.jobs.claims.begin_delivery(claim, [product()])
    site.expire(target.id)
    report = site.sweep()
    assert report["leases"].counts == {"ended": 1, "now delivering": 1}
    assert site.messages() == [(str(target.id), 2)]
    assert site.claim(target.id).delivering


@ON_BOTH
@pytest.mark.parametrize("why", ["nobody swept", "records were away"])
def test_after_a_gap_leases_wait_for_one_lease(site: Site, why: str) -> None:
    """Keepers may have had no way to renew: only what is still not renewed one lease later is dead."""
    _, (target,) = site.submit()
    site.sweep("messages")
    site.claim(target.id)
    site.expire(target.id)
    if why == "nobody swept":
        site.age_memory(site.settings.lease_s)
    first = site.sweep(after_outage=why == "records were away")["leases"]
    again = site.sweep()["leases"]
    for report in (first, again):
        assert report.counts == {"ended": 0}
        assert "leases are judged in" in report.line
    site.age_memory(site.settings.lease_s + 1)
    site.jobs.sweep.remember("swept", {})
    assert site.sweep()["leases"].counts["ended"] == 1


def test_force_judges_now(site: Site) -> None:
    _, (target,) = site.submit()
    site.sweep("messages")
    site.claim(target.id)
    site.expire(target.id)
    site.age_memory(10_000)
    assert site.sweep(force=True)["leases"].counts["ended"] == 1


def test_the_first_sweep_of_all_judges_nobody(settings: Settings, redis_url: str) -> None:
    with open_site(settings, broker_url=redis_url) as site:
        site.age_memory(10_000)
        assert "leases are judged in 60 s" in site.sweep("leases")["leases"].line


# Messages


def test_an_unsent_target_is_left_to_its_submitter_for_a_while(settings: Settings, redis_url: str) -> None:
    with open_site(settings, broker_url=redis_url, outbox_grace_s=30.0) as site:
        _, (target,) = site.submit()
        assert site.sweep()["messages"].counts == {"sent": 0}
        site.settings.__dict__["outbox_grace_s"] = 0.0
        assert site.sweep()["messages"].counts == {"sent": 1}
        assert site.messages() == [(str(target.id), 1)]


@ON_BOTH
def test_what_must_wait_is_sent_when_its_time_has_come(site: Site) -> None:
    _, (target,) = site.submit()
    site.sweep("messages")
    site.messages()
    claim = site.claim(target.id)
    site.jobs.claims.give_back(claim, reason="S3 is away", end="transient", not_before_in_s=600)
    assert site.sweep()["messages"].counts == {"sent": 0}
    let_wait_pass(site.context.engine, target.id)
    assert site.sweep()["messages"].counts == {"sent": 1}
    assert site.messages() == [(str(target.id), 2)]


def test_a_sweep_sends_so_many_and_says_that_more_waits(site: Site) -> None:
    _, targets = site.submit(7)
    few = Limits(messages=3)
    first = site.sweep("messages", limits=few)["messages"]
    assert first.line == "messages    3 sent; more is left for the next sweep"
    sent = [site.sweep("messages", limits=few)["messages"].counts["sent"] for _ in range(3)]
    assert sent == [3, 1, 0]
    assert [target for target, _ in site.messages()] == names(targets)


def test_a_target_is_sent_to_its_own_queue_not_the_sweepers(site: Site) -> None:
    _, (here,) = site.submit(queue="reduce")
    _, (there,) = site.submit(queue="much-memory")
    assert site.sweep()["messages"].counts == {"sent": 2}
    assert site.messages("reduce") == [(str(here.id), 1)]
    assert site.messages("much-memory") == [(str(there.id), 1)]


# Notices


@ON_BOTH
def test_notices_that_nobody_confirmed_get_out_once_each(site: Site) -> None:
    _, (target,) = site.submit()
    claim = site.claim(target.id)
    made = product()
    notice = notice_of(made, claim)
    site.jobs.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice]))
    seen: list[Any] = []
    consumer = NoticeConsumer(site.settings, "archive", ["#"], seen.append)
    consumer.register()
    assert site.sweep()["notices"].counts == {"sent": 1}
    assert site.sweep()["notices"].counts == {"sent": 0}
    assert consumer.run(limit=1) == 1
    assert [one.id for one in seen] == [notice.id]
    assert consumer.backlog().ready == 0


# What the broker lost


@pytest.fixture(params=["redis_url", "rabbitmq_url"])
def any_broker(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Site]:
    with open_site(settings, broker_url=request.getfixturevalue(request.param)) as site:
        yield site


def test_a_queue_that_lost_messages_gets_exactly_those_again(any_broker: Site) -> None:
    site = any_broker
    _, old = site.submit(5)
    site.sweep("messages")
    assert len(site.messages()) == 5, "somebody purged the queue"
    _, new = site.submit(3)
    site.sweep("messages")
    site.age_messages(10)
    assert site.sweep("lost", "messages")["lost"].counts == {"lost": 0}, "one look is not enough"
    report = site.sweep("lost", "messages")
    assert report["lost"].counts == {"lost": 5}
    assert report["messages"].counts == {"sent": 5}
    assert site.messages() == [*((name, 1) for name in names(new)), *((name, 2) for name in names(old))]


def test_a_second_look_follows_only_after_some_seconds(site: Site) -> None:
    site.submit(2)
    site.sweep("messages")
    site.messages()
    site.age_messages(10)
    for _ in range(3):
        assert site.sweep("lost", limits=Limits(confirm_s=600))["lost"].counts == {"lost": 0}


def test_nothing_is_sent_again_while_the_queue_is_whole(any_broker: Site) -> None:
    site = any_broker
    site.submit(4)
    site.sweep("messages")
    site.age_messages(100_000)
    for _ in range(3):
        assert site.sweep("lost")["lost"].counts == {"lost": 0}
    assert site.depth() == 4


def test_what_a_worker_holds_unacknowledged_is_not_lost(any_broker: Site) -> None:
    """Two messages are in the hands of a worker that has not claimed them yet: on both brokers they are left alone."""
    site = any_broker
    _, targets = site.submit(4)
    site.sweep("messages")
    site.jobs.workers.mark_alive(worker("w1/1", concurrency=2))
    with site.app.connection() as link, link.channel() as channel:
        held = [channel.basic_get("reduce", no_ack=False) for _ in range(2)]
        assert all(held)
        site.age_messages(100)
        for _ in range(3):
            assert site.sweep("lost")["lost"].counts == {"lost": 0}
    assert len(targets) == 4


def test_a_loss_hidden_behind_running_targets_is_found_later(site: Site) -> None:
    """Two messages are unacknowledged, of targets that run; two are gone: by number alone that is one and the same."""
    _, targets = site.submit(4)
    site.sweep("messages")
    with site.app.connection() as link, link.channel() as channel:
        held = [channel.basic_get("reduce", no_ack=False) for _ in range(2)]
        assert all(held)
        for target in targets[:2]:
            site.claim(target.id)
        assert len(site.messages()) == 2, "these two are lost"
        site.age_messages(1000)
        patient = Limits(confirm_s=0.0, stale_s=300.0)
        for _ in range(3):
            assert site.sweep("lost", limits=patient)["lost"].counts == {"lost": 0}
        assert site.sweep("lost", limits=Limits(confirm_s=0.0, stale_s=0.0))["lost"].counts == {"lost": 2}
    site.sweep("messages")
    assert {(name, 2) for name in names(targets[2:])} <= set(site.messages())


def test_only_so_many_are_sent_again_at_a_time(site: Site) -> None:
    site.submit(6)
    site.sweep("messages")
    site.messages()
    site.age_messages(10)
    few = Limits(confirm_s=0.0, lost=4)
    site.sweep("lost", limits=few)
    assert site.sweep("lost", limits=few)["lost"].counts == {"lost": 4}
    site.sweep("messages")
    assert site.depth() == 4


# Trouble


def test_an_absent_broker_delays_nothing_and_wastes_no_number(settings: Settings) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    with open_site(settings, broker_url=away) as site:
        _, (target, other) = site.submit(2)
        site.claim(other.id, send_no=0)
        site.expire(other.id)
        report = site.sweep()
        assert report["leases"].counts["ended"] == 1
        for part in ("lost", "messages", "notices"):
            (error,) = report[part].errors
            assert isinstance(error, BrokerUnavailableError)
        assert {part.part for part in report.parts if part.errors} == {"lost", "messages", "notices"}
        assert site.jobs.read.target(target.id).send_no == 0


def test_records_that_are_away_end_the_sweep_and_are_said_once(settings: Settings, redis_url: str) -> None:
    nowhere = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/records"
    changes = {"broker_url": redis_url, "database_url": nowhere, "database_wait_s": 0.1}
    away = settings.model_copy(update=changes)
    with ServiceContext(away) as context:
        app = make_app(away)
        with pytest.raises(RecordsUnavailableError):
            sweep(context, app)
        sweeper = Sweeper(context, app)
        with capture_logs() as said:
            assert [sweeper.sweep() for _ in range(3)] == [None, None, None]
    assert [entry["event"] for entry in said] == ["records_away"]


def test_a_trouble_is_logged_once_and_so_is_its_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise redis.ConnectionError("no route")

    sweeper = Sweeper(site.context, site.app)
    with capture_logs() as said:
        with monkeypatch.context() as patch:
            patch.setattr("underbutler.sweeper.rounds.connection", refuse)
            for _ in range(3):
                report = sweeper.sweep()
                assert report is not None
                assert report.errors
        assert sweeper.sweep() is not None
    told = [entry["event"] for entry in said if entry.get("part") == "notices"]
    assert told == ["sweep_part_failed", "sweep_part_works_again"]


def test_a_sweep_that_is_stopped_ends_between_its_parts(site: Site) -> None:
    asked: list[Callable[[], bool]] = []

    def stopped() -> bool:
        asked.append(stopped)
        return len(asked) > 1

    assert len(site.sweep(stopped=stopped).parts) < len(site.sweep().parts)


def worker(name: str, **fields: Any) -> Worker:
    """Return a worker as its keeper tells it."""
    defaults = {"id": name, "name": name, "host": "here", "pid": 1, "keeper_pid": 2, "queue": "reduce"}
    return Worker(**({"concurrency": 1} | defaults | fields))
