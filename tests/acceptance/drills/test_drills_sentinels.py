"""Drills in which sentinels make another server the broker, while targets run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.redis_forms import MASTER, SENTINEL_PASSWORD, Sentinelled, sentinelled_redis
from tests.support.services import S3Endpoint, eventually
from underbutler.embedded.process import Guard
from underbutler.embedded.servers import start_beat


@pytest.fixture(scope="module")
def servers(_guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinelled]:
    with sentinelled_redis(tmp_path_factory.mktemp("drill-sentinels"), _guard) as found:
        yield found


@pytest.fixture(scope="module")
def watched_site(
    servers: Sentinelled,
    moto_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DrillSite]:
    """A site whose broker sentinels watch; they and it ask for a password each."""
    with DrillSite(
        tmp_path_factory.mktemp("drill-watched"),
        broker_url=servers.url,
        broker_master_name=MASTER,
        broker_sentinel_password=SENTINEL_PASSWORD,
        store=moto_endpoint,
        packages=packages,
        guard=_guard,
        exposures=24,
    ) as site:
        yield site


def test_the_master_dies_and_the_replica_becomes_it(
    watched_site: DrillSite, servers: Sentinelled, table: Table, scale: Scale
) -> None:
    """Submitter, worker, keeper, sweeper, beat and the consumer of notices go on at the other server."""
    site = watched_site
    beat = start_beat(site.home / "beat", site.environment(), guard=site.guard)
    site.only(1)
    count = 24 if scale.full else 8
    job = site.write(count, seconds=0.4)
    eventually(lambda: site.done(job) >= 2, 60, what="two targets done")
    before, at = servers.kill_master(), time.time()
    servers.fail_over(before)
    later = site.empty(4)
    facts = site.facts(job, later, timeout=120)
    table.ours("the master dies", "sentinels", facts, seconds=site.until_all_done([job], at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": count + 4}
    assert beat.exit_code is None
    beat.stop()
