"""A drill in which nothing is broken: a site works for long, and what it takes does not swell."""

from __future__ import annotations

import time

import pytest

from tests.support.drills.growth import sizes_of
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from underbutler.records import JobRow


@pytest.mark.timeout(1800)
def test_a_site_that_works_for_long_does_not_swell(site: DrillSite, table: Table, scale: Scale) -> None:
    """Job after job. The first of them warm it up: what is loaded once is there before it is measured."""
    site.only(1)
    warm_s, measured_s = (120, 1080) if scale.full else (10, 25)
    jobs = _work_for(site, warm_s)
    before = sizes_of(site)
    later = _work_for(site, measured_s)
    after = sizes_of(site)
    facts, ended = site.facts(*jobs, *later), sum(job.n_targets for job in later)
    table.ours("soak", f"nothing, for {warm_s + measured_s} s", facts, told=after.words_since(before, ended))
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said[:20]
    assert facts.states == {"done": sum(job.n_targets for job in [*jobs, *later])}
    assert after.processes == before.processes
    # SQLite has a temporary file for each connection, and a child that replaced another has its main process' sockets.
    assert after.descriptors - before.descriptors <= 5 * after.processes, after
    assert after.memory - before.memory < 16 * after.processes, after


def _work_for(site: DrillSite, seconds: float) -> list[JobRow]:
    """Have jobs done one after the other, for so many seconds."""
    deadline, jobs = time.monotonic() + seconds, []
    while time.monotonic() < deadline:
        now = [site.write(4), site.empty(16)]
        assert site.ended(*now, timeout=120)
        jobs += now
    return jobs
