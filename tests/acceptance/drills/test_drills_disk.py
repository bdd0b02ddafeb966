"""Drills in which a disk is full: that of records and broker, or that of the Butler's root alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.drills.disk import SmallDisk, small_disk
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import S3Endpoint, eventually
from underbutler.embedded.process import Guard
from underbutler.errors import TransientError


class Cramped(NamedTuple):
    """A site, the disk of its records and its broker, and that of its repository."""

    site: DrillSite
    home: SmallDisk
    root: SmallDisk


@pytest.fixture(scope="module")
def cramped(
    moto_endpoint: S3Endpoint, packages: Path, _guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cramped]:
    folder = tmp_path_factory.mktemp("drill-cramped")
    with small_disk(folder / "home", 48) as home, small_disk(folder / "home" / "repo", 16) as root:
        broker = DrillRedis(home.folder / "redis", _guard)
        broker.start()
        broker.keep(sync="everysec")
        site = DrillSite(
            home.folder, broker_url=broker.url, store=moto_endpoint, packages=packages, guard=_guard, exposures=24
        )
        try:
            with site:
                yield Cramped(site, home, root)
        finally:
            broker.stop()


@pytest.mark.parametrize("disk", ["home", "root"])
def test_a_disk_is_full_for_a_while(cramped: Cramped, table: Table, scale: Scale, disk: str) -> None:
    site, full = cramped.site, getattr(cramped, disk)
    count = 24 if scale.full else 12
    site.only(1)
    job = site.write(count, seconds=0.3)
    eventually(lambda: site.done(job) >= 2, 60, "two targets done")
    full.fill()
    began = time.time()
    with pytest.raises(TransientError, match="full"):
        site.write(1)
    time.sleep(max(0.0, began + scale.away_s - time.time()))
    full.make_room()
    at = time.time()
    facts = site.facts(job, timeout=120)
    broken = {"home": "of records and broker", "root": "of the Butler"}[disk]
    seconds = site.until_all_done([job], at)
    table.ours("a full disk", f"{broken}, for {at - began:.0f} s", facts, seconds=seconds, until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": count}, site.failures(job)
    eventually(lambda: len(site.keys(job)) == count, 60, what="an annex with nothing but the announced objects")
