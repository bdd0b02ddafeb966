"""Drills on the other deployment: RabbitMQ as broker, PostgreSQL for the records. Each of them restarts mid-run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drill_rival import Rival
from drill_site import DrillSite
from drill_table import Scale, Table
from services import PostgresServer, RabbitServer, S3Endpoint, eventually, fresh_database, postgres_node

from underbutler.embedded.process import Guard


@pytest.fixture(scope="module")
def records() -> Iterator[PostgresServer]:
    with postgres_node() as server:
        yield server


@pytest.fixture(scope="module")
def large_site(
    records: PostgresServer,
    rabbitmq_node: RabbitServer,
    swift_endpoint: S3Endpoint,
    packages: Path,
    _guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DrillSite]:
    """Run the drills' site on RabbitMQ and PostgreSQL."""
    with fresh_database(records.url) as database, rabbitmq_node.fresh_vhost() as broker:
        site = DrillSite(
            tmp_path_factory.mktemp("drill-large"),
            broker_url=broker,
            database_url=database,
            store=swift_endpoint,
            packages=packages,
            guard=_guard,
        )
        with site:
            yield site


@pytest.fixture(scope="module")
def large_stock(
    rabbitmq_node: RabbitServer, _guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rival]:
    """Run stock Celery on the same RabbitMQ, with quorum queues."""
    with rabbitmq_node.fresh_vhost() as broker:
        rival = Rival(tmp_path_factory.mktemp("drill-rival-rabbit"), broker, _guard)
        yield rival
        rival.close()


def test_rabbitmq_restarts(
    large_site: DrillSite, large_stock: Rival, table: Table, rabbitmq_node: RabbitServer
) -> None:
    large_site.only(1)
    large_stock.only(1)
    job, names = large_site.write(24, seconds=0.5), large_stock.send("rabbit", 24, seconds=0.5)
    eventually(lambda: large_site.done(job) >= 4, 60, what="four targets done")
    rabbitmq_node.end()
    rabbitmq_node.start()
    at = time.time()
    facts, their_facts = large_site.facts(job, timeout=120), large_stock.facts(names, 60)
    drill, broken = "RabbitMQ restarts", "mid-run, quorum queues"
    table.ours(drill, broken, facts, seconds=large_site.until_all_done([job], at), until="all done")
    table.stock(drill, broken, their_facts, seconds=large_stock.until_done(names, at), until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 24}


def test_whole_workers_are_killed_on_rabbitmq_and_postgresql(large_site: DrillSite, table: Table, scale: Scale) -> None:
    (worker,) = large_site.only(1)
    targets = scale.targets // 4
    job = large_site.empty(targets)
    kills: list[float] = []
    for mark in (targets // 4, targets // 2, 3 * targets // 4):
        eventually(lambda mark=mark: large_site.done(job) >= mark, 120, what=f"{mark} targets done")
        worker.kill_whole()
        kills.append(time.time())
        worker = large_site.worker()
    facts = large_site.facts(job, timeout=180)
    seconds = max(large_site.until_next(job, kill) or 0.0 for kill in kills)
    table.ours(
        "3 × kill -9 of the worker", "on RabbitMQ and PostgreSQL", facts, seconds=seconds, until="next done, slowest"
    )
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said[:20]
    assert facts.states == {"done": targets}


@pytest.mark.parametrize("how", ["restarts", "crashes", "away"])
def test_postgresql_goes_away_mid_run(
    large_site: DrillSite, table: Table, records: PostgresServer, scale: Scale, how: str
) -> None:
    import signal

    large_site.only(1)
    job = large_site.write(24, seconds=0.5)
    eventually(lambda: large_site.done(job) >= 4, 60, what="four targets done")
    records.end(by=signal.SIGQUIT if how == "crashes" else signal.SIGINT)
    if how == "away":
        time.sleep(scale.away_s)
    records.start()
    at = time.time()
    facts = large_site.facts(job, timeout=180)
    broken = {"restarts": "in order, mid-run", "crashes": "SIGQUIT, mid-run", "away": f"{scale.away_s:.0f} s"}[how]
    seconds = large_site.until_all_done([job], at)
    table.ours(f"PostgreSQL {how}", broken, facts, seconds=seconds, until="all done")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": 24}
    assert {target.deaths for target in large_site.context.jobs.targets(job.id)} == {0}
