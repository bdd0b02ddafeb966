"""Messages that no worker can run, with good ones behind them; and a worker that cannot run anything."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import redis

from tests.support.drills.poison import FORMS, poison
from tests.support.drills.rival import Rival, StockFacts
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually


def test_every_form_of_poison_is_kept_and_stops_no_worker(
    site: DrillSite, stock: Rival, table: Table, scale: Scale
) -> None:
    """Stock's worker is started again each time it dies, as a supervisor would."""
    site.only(0)
    stock.end()
    before = {parked.id for parked in site.context.jobs.quarantine.parked()}
    jobs = []
    names: list[str] = []
    with redis.Redis.from_url(site.settings.broker_url) as client:
        for form in FORMS:
            for turn in range(scale.repeats):
                client.lpush(site.queue_key, poison(form, site.settings.queue, "drillEmpty"))
                client.lpush("stock:stock", poison(form, "stock", "stock.sleep"))
                names += stock.send(f"poison-{form.replace(' ', '_')}-{turn}", 1)
            jobs.append(site.empty(scale.repeats))
    poisoned = len(FORMS) * scale.repeats
    (worker,) = site.only(1)
    at = time.time()
    deaths, theirs = 0, stock.worker()
    deadline = time.monotonic() + (40 if scale.full else 15)
    while time.monotonic() < deadline and len(stock.counts(names)[1]) < len(names):
        if not theirs.alive:
            deaths += 1
            theirs = stock.worker()
        time.sleep(0.1)
    facts, done = site.facts(*jobs, timeout=60), len(stock.counts(names)[1])
    parked = eventually(
        lambda: found if len(found := _parked(site, before)) >= poisoned else None, 20, what="the parked messages"
    )
    drill, broken = f"{len(FORMS)} forms of poison × {scale.repeats}", "good targets between them"
    seconds = site.until_all_done(jobs, at)
    table.ours(drill, broken, facts, seconds=seconds, until="good ones done", parked=len(parked))
    their_facts = StockFacts(targets=len(names) + poisoned, lost=len(names) + poisoned - done, doubled=0, started=done)
    table.stock(drill, broken, their_facts, told=f"{deaths} deaths, poison dropped")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": poisoned}
    assert len(parked) == poisoned
    assert all(one.raw and one.reason for one in parked)
    assert worker.alive
    assert site.workers == [worker], "it was never started again"


def _parked(site: DrillSite, before: set[object]) -> list[object]:
    return [parked for parked in site.context.jobs.quarantine.parked() if parked.id not in before]


def test_a_worker_with_full_scratch_waits_until_it_has_room(site: DrillSite, table: Table) -> None:
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        held = Path(scratch) / "full"
        space = os.statvfs(scratch)
        free = space.f_bavail * space.f_frsize
        fill = 24 * 2**20
        with held.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, fill)
        site.only(0)
        worker = site.worker(scratch=scratch, scratch_min_bytes=free - fill // 2).ready()
        job = site.empty(10)
        eventually(lambda: "worker_unfit" in worker.text(), 60, what="a worker that says that it is unfit")
        assert site.done(job) == 0
        unfit = eventually(
            lambda: [row for row in site.context.jobs.workers.known(30) if row.unfit_reason],
            what="a row that says so",
        )
        assert [scratch in (row.unfit_reason or "") for row in unfit] == [True]
        held.unlink()
        at = time.time()
        facts = site.facts(job)
        seconds = site.until_next(job, at)
        table.ours("full scratch", "then room again", facts, seconds=seconds, until="first done")
        assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
        assert facts.states == {"done": 10}
        assert {claim.claim_no for claim in site.context.jobs.read.claims(job.id)} == {1}, (
            "it claimed nothing while unfit"
        )
