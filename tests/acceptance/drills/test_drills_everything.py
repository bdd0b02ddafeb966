"""A drill in which everything is killed at one moment, as when the current fails, and started again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest

from tests.support.drills.counts import Counts, counts_of
from tests.support.drills.services import DrillRedis
from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.services import eventually
from tests.support.swift.service import SwiftServer
from underbutler.embedded.guard import session_members

BETWEEN = 4
"""So many targets are done between two kills, at least."""


@pytest.fixture
def keeping(broker: DrillRedis) -> Iterator[DrillRedis]:
    """The broker, which keeps what it holds, as production's does."""
    broker.keep()
    yield broker
    if not broker.answers():
        broker.start()


def test_everything_is_killed_at_once_again_and_again(
    site: DrillSite, keeping: DrillRedis, swift_endpoint: SwiftServer, table: Table, scale: Scale
) -> None:
    """Main process, children, keeper, beat, broker and store. Whoever counts afterwards comes to the same number."""
    kills = 10 if scale.full else 2
    count = BETWEEN * (kills + 1)
    site.only(1)
    job = site.write(count, seconds=0.2)
    killed: list[float] = []
    for kill in range(kills):
        eventually(lambda goal=BETWEEN * kill + 2: site.done(job) >= goal, 120, "targets done")
        kill_at_once([*processes_of(site), *keeping.pids, *swift_endpoint.pids])
        killed.append(time.time())
        keeping.stop()
        swift_endpoint.stop()
        keeping.start(keeps=True)
        site.end_all()
        site.worker()  # it meets a store that is not there yet
        swift_endpoint.start()
        site.only(1)
    facts = site.facts(job, timeout=180)
    seconds = max(site.until_next(job, at) or 0.0 for at in killed)
    drill, broken = f"{kills} × kill -9 of everything", "workers, beat, broker, store at once"
    table.ours(drill, broken, facts, seconds=seconds, until="next done, slowest")
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": count}
    eventually(lambda: len(site.keys(job)) == count, 60, "an annex with nothing but the announced objects")
    assert counts_of(site, job) == Counts(registry=count, records=count, store=count, heard=count, catalogue=count)


def processes_of(site: DrillSite) -> list[int]:
    """Return the processes of a site's workers and sweepers."""
    found = [member.pid for worker in site.workers for member in worker.members()]
    return found + [pid for sweeper in site.sweepers for pid in session_members(sweeper.pid)]


def kill_at_once(pids: Iterable[int]) -> None:
    """Stop all, then kill all: none sees another die."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
