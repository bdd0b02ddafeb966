"""A drill in which one worker's clock is wrong: its leases, waits and records are by the database's."""

from __future__ import annotations

import time

import pytest

from tests.support.drills.clock import WRONG_BY_S, clock_of, worker_with_a_wrong_clock
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually

pytestmark = pytest.mark.usefixtures("large")


def test_the_clock_of_one_worker_is_two_hours_off(site: DrillSite, table: Table, scale: Scale) -> None:
    """It works beside one whose clock is right. The store fails at times: what waits is not tried two hours later."""
    site.only(1)
    wrong = [worker_with_a_wrong_clock(site, way * WRONG_BY_S) for way in ((1, -1) if scale.full else (1,))]
    site.faults.spoil("error", "PUT", share=0.3)
    began, count = time.time(), 60 if scale.full else 16
    job = site.write(count, seconds=0.3)
    eventually(lambda: site.done(job) >= count // 2, 120, "half of the targets done")
    site.faults.heal()
    facts = site.facts(job, timeout=120)
    table.ours("a clock two hours off", "ahead and behind" if scale.full else "ahead", facts)
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": count}
    claims, known = site.context.jobs.read.claims(job.id), site.context.jobs.workers.known(60)
    for worker in wrong:
        assert abs(clock_of(worker)) > WRONG_BY_S / 2, "its children have the wrong clock"
        mine = {row.id for row in known if row.name.startswith(f"{worker.name}@")}
        assert {claim.worker in mine for claim in claims} == {True, False}, "it has worked, and others have"
    assert all(began - 60 < claim.started_at < time.time() + 60 for claim in claims), "by the clock of the database"
