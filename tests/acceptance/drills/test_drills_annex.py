"""Drills in which the annex, a real store behind the fault proxy, answers wrongly, slowly, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually


@contextmanager
def errors_at_random(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("error", "*", share=0.3)
    yield


@contextmanager
def refusing(faults: FaultyS3) -> Iterator[None]:
    with faults.refusing():
        yield


@contextmanager
def hanging(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("hang", "PUT")
    yield


@contextmanager
def cut_bodies(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("cut", "PUT")
    yield


@contextmanager
def flipped_bytes(faults: FaultyS3) -> Iterator[None]:
    faults.spoil("flip", "PUT")
    yield


FAULTS: dict[str, tuple[Callable[..., object], bool]] = {
    "500 at 30 %": (errors_at_random, False),
    "refuses connections": (refusing, True),
    "hangs": (hanging, True),
    "cuts bodies": (cut_bodies, True),
    "flips bytes": (flipped_bytes, True),
}
"""Name → how it is done, and whether no delivery at all can succeed meanwhile."""


@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_annex_is_broken_for_a_while(site: DrillSite, table: Table, scale: Scale, fault: str) -> None:
    """Targets without a picture go on meanwhile: what cannot be delivered does not keep a child."""
    begin, total = FAULTS[fault]
    site.only(1)
    began = time.time()
    with begin(site.faults):  # type: ignore[attr-defined]
        job = site.write(8, size=200_000)
        eventually(lambda: site.datasets(job) == 16, 60, what="the datasets of all targets")
        other = site.empty(20)
        assert site.ended(other, timeout=60), "children are free while the annex is away"
        time.sleep(max(0.0, began + scale.away_s - time.time()))
        done, announced = site.done(job), len(site.context.jobs.read.notices(job.id))
    at = time.time()
    if total:
        assert (done, announced) == (0, 0), "no notice, and no end, before the verified object"
    site.faults.heal()
    facts = site.facts(job, other, timeout=120)
    seconds = None if fault == "500 at 30 %" and done == 8 else site.until_all_done([job], at)
    table.ours(f"S3 {fault}", f"for {at - began:.0f} s", facts, seconds=seconds, until="all delivered")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 28}
    assert len(site.context.jobs.read.notices(job.id)) == 8
    eventually(lambda: len(site.keys(job)) == 8, 30, what="an annex with nothing but the announced objects")
