"""Drills in which processes of a worker die: the whole worker, a child, the main process, the keeper."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support.drills.rival import Rival
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually
from underbutler.model.job import TargetState


def test_whole_workers_are_killed_again_and_again_under_load(
    site: DrillSite, stock: Rival, table: Table, scale: Scale
) -> None:
    """Ours and stock's are killed in turn, each when it has done its next share: so each kill meets a full load."""
    (ours,), (theirs,) = site.only(1), stock.only(1)
    job, names = site.empty(scale.targets), stock.send("kills", scale.targets)
    marks = [scale.targets * kill // (scale.kills + 1) for kill in range(1, scale.kills + 1)]
    kills: list[float] = []
    their_kills: list[float] = []
    deadline = time.monotonic() + 420
    while len(kills) < len(marks) or len(their_kills) < len(marks):
        assert time.monotonic() < deadline, f"{len(kills)} and {len(their_kills)} kills, {site.done(job)} done"
        if len(kills) < len(marks) and site.done(job) >= marks[len(kills)]:
            ours.kill_whole()
            kills.append(time.time())
            ours = site.worker()
        if len(their_kills) < len(marks) and len(stock.counts(names)[1]) >= marks[len(their_kills)]:
            theirs.kill_whole()
            their_kills.append(time.time())
            theirs = stock.worker()
        time.sleep(0.05)
    facts = site.facts(job, timeout=240)
    their_facts = stock.facts(names, 240)
    seconds = max(site.until_next(job, kill) or 0.0 for kill in kills)
    their_seconds = max(stock.until_next(names, kill) or 0.0 for kill in their_kills)
    drill, broken = f"{scale.kills} × kill -9 of the worker", "main, children and keeper, under load"
    table.ours(drill, broken, facts, seconds=seconds, until="next done, slowest")
    table.stock(drill, broken, their_facts, seconds=their_seconds, until="next done, slowest")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said[:20]
    assert facts.states == {"done": scale.targets}


@pytest.mark.usefixtures("large")
def test_a_worker_is_started_again_and_again_under_load(site: DrillSite, table: Table, scale: Scale) -> None:
    """As in a rolling upgrade: the next one starts while the one before gives back what it runs."""
    restarts = 30 if scale.full else 2
    (worker,) = site.only(1)
    count = 8 * restarts + 24
    job = site.empty(count, seconds=0.3)
    for restart in range(1, restarts + 1):
        eventually(lambda goal=8 * restart: site.done(job) >= goal, 60, "the next targets done")
        worker.signal_main(signal.SIGTERM)
        before, worker = worker, site.worker().ready()
        assert before.ends(60)
    at = time.time()
    facts = site.facts(job, timeout=240)
    seconds = site.until_all_done([job], at)
    table.ours(f"{restarts} restarts", "of a worker, under load", facts, seconds=seconds, until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said[:20]
    assert facts.states == {"done": count}
    targets = site.context.jobs.read.targets(job.id)
    assert {(target.deaths, target.worker_deaths) for target in targets} == {(0, 0)}, "a give-back counts nothing"


@pytest.mark.usefixtures("large")
def test_a_child_is_killed_in_the_middle_of_a_target(site: DrillSite, stock: Rival, table: Table) -> None:
    site.only(1)
    stock.only(1)
    job, names = site.empty(4, seconds=2), stock.send("child", 4, seconds=2)
    (cut, _), at = site.at_work(job, 2), time.time()
    os.kill(cut.pid, signal.SIGKILL)
    running = eventually(lambda: stock.running(names), what="stock at work")
    their_cut, their_pid = next(iter(running.items()))
    os.kill(their_pid, signal.SIGKILL)
    their_at = time.time()
    facts, their_facts = site.facts(job), stock.facts(names, 60)
    drill, broken = "kill -9 of a child", "mid-target"
    table.ours(drill, broken, facts, seconds=site.until_done([cut.target_id], at), until="cut one done")
    table.stock(drill, broken, their_facts, seconds=stock.until_done([their_cut], their_at), until="cut one done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 4}
    ends = [claim.end for claim in site.context.jobs.read.claims(cut.target_id)]
    assert ends == ["died", "done"]


@pytest.mark.usefixtures("large")
def test_a_target_that_always_kills_is_held_and_others_go_on(site: DrillSite, stock: Rival, table: Table) -> None:
    site.only(1)
    stock.only(1)
    at = time.time()
    bad, good = site.empty(3, task="drillDie"), site.empty(20)
    their_bad = stock.send("dies", 3, task="stock.die")
    their_good = stock.send("beside", 20)
    facts = site.facts(bad, good)
    ends = [target.ended_at or 0.0 for job in (bad, good) for target in site.context.jobs.read.targets(job.id)]
    their_facts = stock.facts([*their_bad, *their_good], 12)
    drill, broken = "a target that kills its child", "each time, 3 of 23"
    table.ours(drill, broken, facts, seconds=max(ends) - at, until="good done, bad held")
    table.stock(drill, broken, their_facts, told=f"never: {their_facts.started - 20} deaths in 12 s")
    expected = {target.id for target in site.context.jobs.read.targets(bad.id)}
    assert facts.held == expected
    assert (facts.lost, facts.doubled) == (0, 0), facts.said
    assert facts.states == {"held": 3, "done": 20}
    for target in site.context.jobs.read.targets(bad.id):
        assert target.deaths == site.settings.max_deaths
        assert [claim.end for claim in site.context.jobs.read.claims(target.id)] == ["died"] * 3
        assert target.error_text


@pytest.mark.usefixtures("large")
def test_the_main_process_is_killed_and_its_children_stop(site: DrillSite, stock: Rival, table: Table) -> None:
    (ours,), (theirs,) = site.only(1), stock.only(1)
    job, names = site.empty(4, seconds=2), stock.send("main", 4, seconds=2)
    cut = site.at_work(job, 2)
    children = {child.pid for child in ours.children()}
    ours.signal_main(signal.SIGKILL)
    at = time.time()
    eventually(lambda: not [pid for pid in children if _runs(pid)], what="the end of the children")
    site.worker()
    eventually(lambda: len(stock.running(names)) == 2, what="stock at work")
    theirs.signal_main(signal.SIGKILL)
    their_at = time.time()
    their_cut = list(stock.running(names))
    stock.worker()
    facts, their_facts = site.facts(job), stock.facts(names, 60)
    drill, broken = "kill -9 of the main process", "children and keeper live"
    table.ours(
        drill, broken, facts, seconds=site.until_done([claim.target_id for claim in cut], at), until="cut ones done"
    )
    table.stock(drill, broken, their_facts, seconds=stock.until_done(their_cut, their_at), until="cut ones done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    for claim in cut:
        assert [one.end for one in site.context.jobs.read.claims(claim.target_id)] == ["worker_died", "done"]


@pytest.mark.usefixtures("large")
def test_the_keeper_is_killed_and_another_takes_its_place(site: DrillSite, table: Table) -> None:
    """Targets that run longer than two leases end under their first claim: somebody renewed it."""
    (ours,) = site.only(1)
    job = site.empty(2, seconds=2.5 * site.settings.lease_s)
    site.at_work(job, 2)
    killed = ours.keeper()
    killed.kill()
    at = time.time()
    other = eventually(ours.keeper_or_none, what="another keeper")
    seconds = time.time() - at
    facts = site.facts(job)
    table.ours("kill -9 of the keeper", "while targets run", facts, seconds=seconds, until="another keeper")
    assert other.pid != killed.pid
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert {claim.claim_no for claim in site.context.jobs.read.claims(job.id)} == {1}
    assert site.context.jobs.read.counts(job.id)[TargetState.DONE] == 2


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
