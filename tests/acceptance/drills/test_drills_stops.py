"""Drills in which processes are stopped, woken, asked to end, or told to let go."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.drills.locks import stop_between_writes
from tests.support.drills.rival import Rival
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Table
from tests.support.services import eventually
from underbutler.model.job import Phase, TargetState

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def test_a_whole_worker_is_stopped_past_its_lease_and_wakes_up(site: DrillSite, stock: Rival, table: Table) -> None:
    """One of its targets was to write when it was stopped, the other had written and was to complete."""
    (ours,), (theirs,) = site.only(1), stock.only(1)
    jobs = [site.write(1, seconds=5), site.write(1, after=5)]
    names = stock.send("stopped", 2, seconds=2)
    cut = [claim for job in jobs for claim in site.at_work(job, 1)]
    eventually(lambda: len(stock.running(names)) == 2, what="stock at work")
    eventually(lambda: site.datasets(jobs[1]) == 2, what="the second target's datasets")
    stop_between_writes(site, ours)
    theirs.stop_whole()
    at = time.time()
    other, their_other = site.worker(), stock.worker()
    assert site.ended(*jobs, timeout=90)
    eventually(lambda: len(stock.counts(names)[1]) == 2, 60, what="stock's jobs by its other worker")
    seconds = site.until_all_done(jobs, at)
    ours.continue_whole()
    theirs.continue_whole()
    eventually(lambda: ours.text().count("target_fenced_out") >= 2, 60, what="the end of the claims that woke up")
    eventually(lambda: stock.ended_by(names, theirs) == 2, 30, what="the end of stock's jobs that woke up")
    facts, their_facts = site.facts(*jobs), stock.facts(names, 60)
    drill, broken = "SIGSTOP of a worker", "past its lease, then SIGCONT"
    table.ours(drill, broken, facts, seconds=seconds, until="done elsewhere")
    table.stock(drill, broken, their_facts, until="done elsewhere")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 2}
    for claim in cut:
        ends = [one.end for one in site.context.jobs.read.claims(claim.target_id)]
        assert ends == ["expired", "done"]
    assert other.alive
    assert their_other.alive


@pytest.mark.usefixtures("large")
def test_a_stopped_keeper_is_replaced_and_nothing_taken(site: DrillSite, table: Table) -> None:
    """The leases of two targets run out: they are run again, once, when there is a keeper; none of the others waits."""
    (ours,) = site.only(1)
    job = site.empty(2, seconds=2 * site.settings.lease_s)
    cut = site.at_work(job, 2)
    others = site.empty(4)
    stopped = ours.keeper()
    stopped.send_signal(signal.SIGSTOP)
    at = time.time()
    eventually(lambda: "keeper_hangs" in ours.text(), 60, "a keeper that is taken for hung")
    begun = site.context.jobs.read.claims(others.id)
    other = eventually(ours.keeper_or_none, what="another keeper")
    seconds = time.time() - at
    facts = site.facts(job, others)
    table.ours("SIGSTOP of the keeper", "while targets run", facts, seconds=seconds, until="another keeper")
    assert other.pid != stopped.pid
    assert begun == [], "nothing new is taken while nobody renews"
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 6}
    for claim in cut:
        assert [one.end for one in site.context.jobs.read.claims(claim.target_id)] == ["expired", "done"]
    assert len(site.context.jobs.read.claims(others.id)) == 4, "the others ran once"


@pytest.mark.usefixtures("large")
def test_a_stopped_child_is_ended_by_its_time_limit(site: DrillSite, table: Table) -> None:
    site.only(1)
    job = site.empty(6, seconds=0.5, task="drillLimited")
    (stopped, _), at = site.at_work(job, 2), time.time()
    os.kill(stopped.pid, signal.SIGSTOP)
    facts = site.facts(job)
    seconds = site.until_done([stopped.target_id], at)
    table.ours("SIGSTOP of a child", "past its time limit", facts, seconds=seconds, until="failed, the rest done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 5, "failed": 1}
    (claim,) = site.context.jobs.read.claims(stopped.target_id)
    assert claim.end == "timed_out"
    assert "time limit" in (site.context.jobs.read.target(stopped.target_id).error_text or "")


@pytest.mark.usefixtures("large")
def test_workers_are_asked_to_end_with_targets_running(site: DrillSite, stock: Rival, table: Table) -> None:
    """Three workers get a signal each. What they had begun is given back, and that counts to nothing."""
    workers, their_workers = site.only(3), stock.only(3)
    job, names = site.empty(7, seconds=4), stock.send("signals", 7, seconds=4)
    cut = site.at_work(job, 6)
    eventually(lambda: len(stock.running(names)) == 6, what="stock at work")
    their_cut = list(stock.running(names))
    for number, ours, theirs in zip(SIGNALS, workers, their_workers, strict=True):
        ours.signal_main(number)
        theirs.signal_main(number)
    at = time.time()
    site.worker()
    stock.worker()
    assert all(worker.ends(60) for worker in [*workers, *their_workers])
    facts, their_facts = site.facts(job), stock.facts(names, 60)
    drill, broken = "SIGTERM, SIGINT, SIGQUIT", "one each of three workers"
    done = site.until_done([claim.target_id for claim in cut], at)
    table.ours(drill, broken, facts, seconds=done, until="running ones done")
    table.stock(drill, broken, their_facts, seconds=stock.until_done(their_cut, at), until="running ones done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 7}
    targets = site.context.jobs.read.targets(job.id)
    assert {(target.deaths, target.worker_deaths) for target in targets} == {(0, 0)}, "a give-back counts nothing"
    for claim in cut:
        assert [one.end for one in site.context.jobs.read.claims(claim.target_id)] == ["given_back", "done"]


@pytest.mark.usefixtures("large")
def test_a_job_is_cancelled_while_targets_run_and_wait(site: DrillSite, table: Table) -> None:
    site.only(1)
    job = site.write(6, after=60)
    site.at_work(job, 2)
    eventually(lambda: site.datasets(job) == 4, what="the datasets of two targets")
    at = time.time()
    site.context.jobs.cancellation.cancel(job.id)
    facts = site.facts(job)
    seconds = site.until_all_done([job], at)
    table.ours("cancel", "while targets run and wait", facts, seconds=seconds, until="all aborted")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"aborted": 6}
    assert site.context.jobs.read.job(job.id).phase == Phase.ABORTED
    assert site.datasets(job) == 0, "what the cut claims wrote is pruned"
    assert len(site.context.jobs.read.claims(job.id)) == 2, "what waited never started"


@pytest.mark.usefixtures("large")
def test_a_job_is_cancelled_while_its_pictures_are_delivered(site: DrillSite, table: Table) -> None:
    site.only(1)
    site.faults.spoil("hang", "PUT")
    job = site.write(2)
    eventually(
        lambda: site.context.jobs.read.counts(job.id).get(TargetState.DELIVERING) == 2,
        60,
        what="two targets delivering",
    )
    eventually(lambda: site.faults.done["hang"] >= 2, what="two uploads that hang")
    at = time.time()
    site.context.jobs.cancellation.cancel(job.id)
    assert site.ended(job, timeout=60)
    seconds = site.until_all_done([job], at)
    site.faults.heal()
    facts = site.facts(job)
    table.ours("cancel", "while pictures are delivered", facts, seconds=seconds, until="all aborted")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"aborted": 2}
    assert site.context.jobs.read.notices(job.id) == []
    eventually(lambda: not site.keys(job), 30, what="an annex without the keys of the cut claims")
