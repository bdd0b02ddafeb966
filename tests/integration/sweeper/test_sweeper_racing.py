"""Several sweepers at once: what each row needs is done once, as if one had swept alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.databases import ON_BOTH
from tests.support.records.rows import notice_of, product
from tests.support.sweeper_site import AT_ONCE, Site, names
from underbutler.annex import NoticeConsumer
from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.model.job import TargetState
from underbutler.records import Outcome
from underbutler.sweeper import SweepReport, sweep

SWEEPERS = 4

pytestmark = ON_BOTH


@pytest.fixture
def sweep_together(site: Site) -> Iterator[Callable[..., list[SweepReport]]]:
    """Return a function that lets several sweepers, each with connections of its own, begin at the same moment."""
    contexts = [ServiceContext(site.settings) for _ in range(SWEEPERS)]
    with ThreadPoolExecutor(SWEEPERS) as pool:

        def together(*parts: str) -> list[SweepReport]:
            barrier = threading.Barrier(SWEEPERS)

            def one(context: ServiceContext) -> SweepReport:
                app = make_app(site.settings)
                context.jobs.ping()
                barrier.wait(60)
                return sweep(context, app, parts=parts or None, limits=AT_ONCE)

            return list(pool.map(one, contexts))

        yield together
    for context in contexts:
        context.close()


def total(reports: list[SweepReport], part: str, words: str) -> int:
    """Return what all sweepers together counted."""
    return sum(report[part].counts.get(words, 0) for report in reports)


def test_each_message_is_sent_once(site: Site, sweep_together: Callable[..., list[SweepReport]]) -> None:
    _, targets = site.submit(200)
    reports = sweep_together()
    assert [error for report in reports for error in report.errors] == []
    assert total(reports, "messages", "sent") == 200
    assert Counter(site.messages()) == Counter((name, 1) for name in names(targets))


def test_each_expired_lease_is_ended_once(site: Site, sweep_together: Callable[..., list[SweepReport]]) -> None:
    _, targets = site.submit(30)
    site.sweep("messages")
    site.messages()
    for target in targets:
        site.claim(target.id)
        site.expire(target.id)
    reports = sweep_together()
    assert {site.jobs.read.target(target.id).worker_deaths for target in targets} == {1}
    assert Counter(site.messages()) == Counter((name, 2) for name in names(targets))
    assert [error for report in reports for error in report.errors] == []


def test_each_notice_gets_out_once(site: Site, sweep_together: Callable[..., list[SweepReport]]) -> None:
    _, targets = site.submit(40)
    expected = []
    for target in targets:
        claim, made = site.claim(target.id), product()
        notice = notice_of(made, claim)
        site.jobs.claims.complete(claim, Outcome(state=TargetState.DONE, products=[made], notices=[notice]))
        expected.append(notice.id)
    seen: list[str] = []
    consumer = NoticeConsumer(site.settings, "archive", ["#"], lambda notice: seen.append(notice.id), remembered_ids=1)
    consumer.register()
    reports = sweep_together("notices")
    assert total(reports, "notices", "sent") == 40
    consumer.run(idle_s=0.5)
    assert Counter(seen) == Counter(expected)


def test_what_a_queue_lost_is_sent_again_once(site: Site, sweep_together: Callable[..., list[SweepReport]]) -> None:
    _, targets = site.submit(50)
    site.sweep("messages")
    assert len(site.messages()) == 50
    site.age_messages(100)
    reports = [report for _ in range(3) for report in sweep_together("lost", "messages")]
    assert total(reports, "lost", "lost") == 50
    assert Counter(site.messages()) == Counter((name, 2) for name in names(targets))
