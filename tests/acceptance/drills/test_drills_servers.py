"""Drills on the other deployment: RabbitMQ as broker, PostgreSQL for the records. Each of them restarts mid-run."""

from __future__ import annotations

import signal
import time

import pytest

from tests.support.drills.rival import Rival
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import PostgresServer, RabbitServer, eventually
from underbutler.bounded_connection import ANSWER_S

pytestmark = pytest.mark.usefixtures("large")


def test_rabbitmq_restarts(site: DrillSite, stock: Rival, table: Table, rabbitmq_node: RabbitServer) -> None:
    site.only(1)
    stock.only(1)
    job, names = site.write(24, seconds=0.5), stock.send("rabbit", 60, seconds=0.5)
    eventually(lambda: site.done(job) >= 4, 60, what="four targets done")
    rabbitmq_node.end()
    rabbitmq_node.start()
    at = time.time()
    facts, their_facts = site.facts(job, timeout=120), stock.facts(names, 60)
    drill, broken = "RabbitMQ restarts", "mid-run"
    table.ours(drill, broken, facts, seconds=site.until_all_done([job], at), until="all done")
    table.stock(drill, broken, their_facts, seconds=stock.until_done(names, at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 24}


def test_whole_workers_are_killed_while_they_write(site: DrillSite, table: Table) -> None:
    """What the targets make is in the Butler, in the annex and announced, once, wherever the kill met them."""
    (worker,) = site.only(1)
    job = site.write(60, seconds=0.1)
    kills: list[float] = []
    for mark in (8, 20, 32, 44):
        eventually(lambda mark=mark: site.done(job) >= mark, 120, what=f"{mark} targets done")
        worker.kill_whole()
        kills.append(time.time())
        worker = site.worker()
    facts = site.facts(job, timeout=180)
    seconds = max(site.until_next(job, kill) or 0.0 for kill in kills)
    drill, broken = "4 × kill -9 of the worker", "while it writes and delivers"
    table.ours(drill, broken, facts, seconds=seconds, until="next done, slowest")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said[:20]
    assert facts.states == {"done": 60}
    eventually(lambda: len(site.keys(job)) == 60, 60, what="an annex with nothing but the announced objects")


@pytest.mark.parametrize("how", ["restarts", "crashes", "away"])
def test_postgresql_goes_away_mid_run(
    site: DrillSite, table: Table, records: PostgresServer, scale: Scale, how: str
) -> None:
    """Records and registry are there: short targets, so that most of their time is spent with it."""
    site.only(1)
    job = site.write(60, seconds=0.1)
    for mark in (4,) if how == "away" else (4, 20, 36):
        eventually(lambda mark=mark: site.done(job) >= mark, 60, what=f"{mark} targets done")
        records.end(by=signal.SIGQUIT if how == "crashes" else signal.SIGINT)
        if how == "away":
            time.sleep(scale.away_s)
        records.start()
    at = time.time()
    facts = site.facts(job, timeout=180)
    broken = {"restarts": "3 ×, in order", "crashes": "3 ×, SIGQUIT", "away": f"{scale.away_s:.0f} s"}[how]
    seconds = site.until_next(job, at)
    table.ours(f"PostgreSQL {how}", broken, facts, seconds=seconds, until="next done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 60}, site.failures(job)
    assert {target.deaths for target in site.context.jobs.read.targets(job.id)} == {0}


def test_postgresql_is_stopped_and_answers_nobody(
    site: DrillSite, table: Table, records: PostgresServer, scale: Scale
) -> None:
    """It is not gone: connections stand, and nothing comes. Who waits gives up, says so, and takes nothing new."""
    (worker,) = site.only(1)
    job = site.write(24, seconds=0.1)
    eventually(lambda: site.done(job) >= 4, 60, what="four targets done")
    said = len(worker.text())
    with records.stopped():
        began = time.time()
        eventually(lambda: "has not answered for" in worker.text()[said:], 60, "a keeper that gives up")
        eventually(lambda: "worker_unfit" in worker.text()[said:], 60, "a worker that takes nothing new")
        longest_s = ANSWER_S + 10 if scale.full else scale.away_s  # nobody waits longer for an answer
        time.sleep(max(0.0, began + longest_s - time.time()))
    at = time.time()
    facts = site.facts(job, timeout=180)
    seconds = site.until_next(job, at)
    table.ours("SIGSTOP of PostgreSQL", f"for {at - began:.0f} s", facts, seconds=seconds, until="next done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 24}, site.failures(job)
    assert {target.deaths for target in site.context.jobs.read.targets(job.id)} == {0}
