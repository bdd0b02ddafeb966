"""Drills in which the broker dies, is away, or forgets; and in which messages are purged, doubled, or old."""

from __future__ import annotations

import time

from sqlalchemy import update

from tests.support.drills.rival import Rival
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually
from underbutler.model.message import digest_of
from underbutler.records.tables.jobs import Target
from underbutler.sql import write


def test_redis_is_killed_and_has_kept_nothing(site: DrillSite, stock: Rival, table: Table, broker: DrillRedis) -> None:
    site.only(1)
    stock.only(1)
    job, names = site.empty(24, seconds=1), stock.send("redis", 24, seconds=1)
    eventually(lambda: site.done(job) >= 4, 60, what="four targets done")
    broker.kill()
    time.sleep(3)  # it is away
    broker.start()
    at = time.time()
    facts, their_facts = site.facts(job, timeout=120), stock.facts(names, 60)
    drill, broken = "kill -9 of Redis", "3 s away, kept nothing"
    table.ours(drill, broken, facts, seconds=site.until_all_done([job], at), until="all done")
    table.stock(drill, broken, their_facts, seconds=stock.until_done(names, at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 24}


def test_redis_is_away_for_a_minute(
    site: DrillSite, stock: Rival, table: Table, broker: DrillRedis, scale: Scale
) -> None:
    """It keeps what it holds, as production's does. Pictures are made meanwhile: their notices come later."""
    site.only(1)
    stock.only(1)
    broker.keep()
    job, names = site.write(12, seconds=1), stock.send("away", 12, seconds=1)
    eventually(lambda: site.done(job) >= 2, 60, what="two targets done")
    broker.kill()
    time.sleep(scale.away_s)
    broker.start(keeps=True)
    at = time.time()
    facts, their_facts = site.facts(job, timeout=120), stock.facts(names, 90)
    drill, broken = "Redis away", f"{scale.away_s:.0f} s, append-only file"
    table.ours(drill, broken, facts, seconds=site.until_all_done([job], at), until="all done")
    table.stock(drill, broken, their_facts, seconds=stock.until_done(names, at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 12}


def test_redis_restarts_five_times(site: DrillSite, table: Table, broker: DrillRedis) -> None:
    """It keeps what it holds. Targets run, wait and deliver, and a consumer of notices listens meanwhile."""
    site.only(1)
    broker.keep()
    job = site.write(16, seconds=0.2)
    for restart in range(5):
        eventually(lambda goal=2 * restart + 2: site.done(job) >= goal, 60, what="the next targets done")
        broker.stop()
        broker.start(keeps=True)
    at = time.time()
    facts = site.facts(job, timeout=120)
    table.ours("Redis restarts", "5 ×", facts, seconds=site.until_all_done([job], at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 16}


def test_the_queue_is_purged_in_the_middle(site: DrillSite, stock: Rival, table: Table) -> None:
    site.only(1)
    stock.only(1)
    job, names = site.empty(200, seconds=0.05), stock.send("purge", 200, seconds=0.05)
    eventually(lambda: site.done(job) >= 10, 60, what="ten targets done")
    eventually(lambda: len(stock.counts(names)[1]) >= 10, 60, what="ten of stock's jobs done")
    site.app.control.purge()  # what the command calls
    at = time.time()
    stock.app.control.purge()
    left = 200 - site.done(job)
    facts, their_facts = site.facts(job, timeout=120), stock.facts(names, 60)
    drill, broken = "celery purge", "in the middle"
    table.ours(drill, broken, facts, seconds=site.until_all_done([job], at), until="all done")
    table.stock(drill, broken, their_facts)
    assert left > 20, "the purge met a queue with messages in it"
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 200}


def test_each_message_is_delivered_three_times_at_once(site: DrillSite, stock: Rival, table: Table) -> None:
    """The copies are put into the queue while no worker is there, and two workers then meet them."""
    site.only(0)
    stock.end()
    job, names = site.write(20, seconds=0.3), stock.send("thrice", 20, seconds=0.3)
    site.repeat_messages(site.queue_key, times=3)
    site.repeat_messages("stock:stock", times=3)
    site.only(2)
    stock.worker()
    stock.worker()
    facts, their_facts = site.facts(job), stock.facts(names, 60)
    drill, broken = "each message three times", "at once, two workers"
    table.ours(drill, broken, facts)
    table.stock(drill, broken, their_facts)
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 20}
    assert {claim.claim_no for claim in site.context.jobs.read.claims(job.id)} == {1}


def test_an_old_message_comes_after_an_edit(site: DrillSite, table: Table) -> None:
    """The targets are edited while their first messages wait: these stand down, and the new ones are run."""
    site.only(0)
    job = site.empty(10)
    with write(site.context.engine) as connection:
        for target in site.context.jobs.read.targets(job.id):
            ref, kwargs = target.args
            args = [ref, kwargs | {"copy": 100 + kwargs["copy"]}]
            digest = digest_of(target.task, tuple(args), job.steps[0].config_digest)
            change = update(Target).where(Target.id == target.id).values(args=args, digest=digest, sent_at=None)
            connection.execute(change)
    assert site.send_again(job) == 10
    (worker,) = site.only(1)
    facts = site.facts(job)
    table.ours("an old message", "after an edit", facts)
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 10}
    assert {claim.send_no for claim in site.context.jobs.read.claims(job.id)} == {2}
    eventually(lambda: worker.text().count("stood_down") >= 10, what="the old messages to stand down")


def test_two_more_sweepers_work_at_once(site: DrillSite, table: Table) -> None:
    """A worker dies with two targets and the broker forgets the rest: three sweepers find it out together."""
    (ours,) = site.only(1)
    sweepers = [site.sweeper("--every", "0.2") for _ in range(2)]
    job = site.write(20, seconds=0.5)
    cut = site.at_work(job, 2)
    ours.kill_whole()
    at = time.time()
    site.forget_messages()
    site.worker()
    facts = site.facts(job, timeout=120)
    seconds = site.until_done([claim.target_id for claim in cut], at)
    table.ours("three sweepers at once", "worker and messages gone", facts, seconds=seconds, until="cut ones done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 20}
    assert [sweeper.exit_code for sweeper in sweepers] == [None, None]
    for claim in cut:
        assert len(site.context.jobs.read.claims(claim.target_id)) == 2, "one sweeper judged it, once"
