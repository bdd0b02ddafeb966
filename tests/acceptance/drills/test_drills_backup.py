"""The drill of the backup: the site is copied while it works, destroyed, restored, and goes on from there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.drills.backup import Backup
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Table
from tests.support.services import PostgresServer, S3Endpoint, eventually, fresh_database
from underbutler.embedded.process import Guard
from underbutler.errors import UnknownNameError
from underbutler.sweeper.annex_check import check_annex

pytestmark = pytest.mark.usefixtures("large")


class Place(NamedTuple):
    """A site that may be destroyed, and its backup."""

    site: DrillSite
    backup: Backup


@pytest.fixture
def place(
    broker: DrillRedis,
    records: PostgresServer,
    moto_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path: Path,
) -> Iterator[Place]:
    with (
        fresh_database(records.url) as database,
        fresh_database(records.url) as registry,
        DrillSite(
            tmp_path / "site",
            broker_url=broker.url.removesuffix("/0") + "/1",
            database_url=database,
            registry_url=registry,
            store=moto_endpoint,
            packages=packages,
            guard=_guard,
            exposures=12,
        ) as site,
    ):
        (tmp_path / "backup").mkdir()
        yield Place(site, Backup(site, database, registry, tmp_path / "backup"))


def test_a_site_is_restored_from_a_backup_taken_while_it_worked(place: Place, table: Table) -> None:
    site, backup = place
    site.only(1)
    before, meanwhile, waiting = site.write(6), site.write(10, seconds=0.2), site.write(4, seconds=0.1)
    eventually(lambda: site.done(before) == 6 and site.done(meanwhile) >= 2, 60, "some targets done")
    ended = {target.id: target.claim_no for target in site.context.jobs.read.targets(before.id)}
    backup.take_records()
    taken = site.done(meanwhile)
    backup.take_the_rest()
    later = site.write(2)
    assert site.ended(before, meanwhile, waiting, later, timeout=60)
    backup.destroy_the_site()

    backup.restore()
    assert site.done(meanwhile) <= taken, "the records are as they were"
    site.only(1)
    at = time.time()
    assert site.ended(before, meanwhile, waiting, timeout=90)
    site.command("annex", "verify", "--repair")
    facts = site.facts(before, meanwhile, waiting, notices=False)
    seconds = site.until_all_done([meanwhile, waiting], at)
    table.ours("backup, end, restore", "everything but the copies", facts, seconds=seconds, until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 20}
    assert {target.id: target.claim_no for target in site.context.jobs.read.targets(before.id)} == ended, (
        "not run again"
    )
    assert [len(site.keys(job)) for job in (before, meanwhile, waiting)] == [6, 10, 4]
    with pytest.raises(UnknownNameError):
        site.context.jobs.read.job(later.id)
    assert list(check_annex(site.context, deep=True)) == []
