"""What dead claims and dead submissions left in the Butler and in the annex: removed, and nothing else."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.support.records.rows import new_job
from tests.support.sweeper_repository import RUN, Repository, done_with, made
from tests.support.sweeper_site import Site
from underbutler.butlers import create_repository
from underbutler.context import ServiceContext
from underbutler.errors import ConflictError
from underbutler.model.job import TargetState
from underbutler.records import Outcome, Submission
from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Target
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.sql import database_now, write
from underbutler.sweeper import SweepReport, sweep
from underbutler.sweeper.datasets import LostProductError

# The Butler


def test_a_done_targets_datasets_stay_and_its_leftovers_go(repository: Repository) -> None:
    site = repository.site
    _, (target,) = site.submit()
    claim = site.claim(target.id)
    product, stray = repository.put(claim, 1), repository.put(claim, 2)
    site.jobs.claims.complete(claim, done_with(product))
    report = site.sweep("datasets")
    assert report["datasets"].counts == {"compared": 1, "pruned": 1, "missing": 0}
    assert repository.has(product)
    assert not repository.has(stray)
    assert [intent.dataset_id for intent in site.jobs.intents.of_target(target.id)] == [product], (
        "it is still its owner"
    )
    assert site.sweep("datasets")["datasets"].counts == {"compared": 0, "pruned": 0, "missing": 0}


@pytest.mark.parametrize("end", ["queued", "running", "delivering"])
def test_a_cancelled_target_leaves_nothing_wherever_it_was_cut(repository: Repository, end: str) -> None:
    site = repository.site
    row, (target,) = site.submit()
    claim = site.claim(target.id)
    table, picture = repository.put(claim, 1), repository.put(claim, 2)
    if end == "delivering":
        site.jobs.claims.begin_delivery(claim, [made(table), made(picture)])
    if end == "queued":
        site.jobs.claims.give_back(claim, reason="the worker stops")
    site.jobs.cancellation.cancel(row.id)
    site.expire(target.id)
    report = site.sweep("leases", "datasets")
    assert site.state(target.id) == TargetState.ABORTED
    assert report["datasets"].counts == {"compared": 1, "pruned": 2, "missing": 0}
    assert not repository.has(table)
    assert not repository.has(picture)
    assert site.jobs.read.products(row.id) == []


def test_what_a_woken_zombie_put_goes_when_none_can_be_left(repository: Repository) -> None:
    """Its lease ran out while it was stopped: it wakes up after the sweep, and writes what it had announced."""
    site = repository.site
    row, (target,) = site.submit()
    claim = site.claim(target.id)
    written = repository.put(claim, 1)
    site.jobs.cancellation.cancel(row.id)
    site.expire(target.id)
    assert site.sweep("leases", "datasets")["datasets"].counts["pruned"] == 1
    with site.context.repositories.butler("demo", writeable=True, run=RUN) as butler:
        butler.put({"number": 1}, repository.refs[written])
    assert site.sweep("datasets")["datasets"].counts == {"compared": 0, "pruned": 0, "missing": 0}
    past = {"ended_at": ClaimTable.ended_at - site.settings.hard_limit_s - 60}
    with write(site.context.engine) as connection:
        connection.execute(update(ClaimTable).values(past))
        connection.execute(update(Target).values(checked_at=Target.checked_at - site.settings.hard_limit_s - 59))
    assert site.sweep("datasets")["datasets"].counts == {"compared": 1, "pruned": 1, "missing": 0}
    assert not repository.has(written)
    assert site.jobs.intents.of_target(target.id) == []
    assert site.sweep("datasets")["datasets"].counts["compared"] == 0, "that was the last time"


@pytest.mark.parametrize("state", [TargetState.FAILED, TargetState.NO_WORK, TargetState.HELD])
def test_what_a_target_recorded_stays_however_it_ended(repository: Repository, state: TargetState) -> None:
    site = repository.site
    _, (target,) = site.submit()
    claim = site.claim(target.id)
    metadata, half = repository.put(claim, 1), repository.put(claim, 2)
    site.jobs.claims.complete(claim, done_with(metadata, state=state))
    assert site.sweep("datasets")["datasets"].counts == {"compared": 1, "pruned": 1, "missing": 0}
    assert repository.has(metadata)
    assert not repository.has(half)


def test_an_open_target_is_not_touched(repository: Repository) -> None:
    site = repository.site
    _, (target,) = site.submit()
    site.sweep("messages")
    first = site.claim(target.id)
    dataset = repository.put(first, 1)
    site.expire(target.id)
    for _ in range(2):
        assert site.sweep()["datasets"].counts == {"compared": 0, "pruned": 0, "missing": 0}
    site.claim(target.id)
    assert site.sweep()["datasets"].counts["pruned"] == 0
    assert repository.has(dataset), "the second claim may be writing the very same"


def test_a_product_that_is_missing_is_told_loudly_and_once(repository: Repository) -> None:
    site = repository.site
    _, (target,) = site.submit()
    claim = site.claim(target.id)
    there, gone = repository.put(claim, 1), repository.put(claim, 2)
    site.jobs.claims.complete(claim, done_with(there, gone))
    repository.remove(gone)
    report = site.sweep("datasets")["datasets"]
    assert report.counts == {"compared": 1, "pruned": 0, "missing": 1}
    (error,) = report.errors
    assert isinstance(error, LostProductError)
    assert str(gone) in str(error)
    assert site.sweep("datasets")["datasets"].counts["missing"] == 0


def test_a_repository_that_cannot_be_opened_holds_up_no_other(repository: Repository) -> None:
    site = repository.site
    for label in ("gone", "demo"):
        _, (target,) = site.submit(out=label)
        claim = site.claim(target.id)
        stray = repository.put(claim, 1 if label == "gone" else 2)
        site.jobs.claims.complete(claim, Outcome(state=TargetState.FAILED))
    report = site.sweep("datasets")["datasets"]
    assert report.counts == {"compared": 1, "pruned": 1, "missing": 0}
    (error,) = report.errors
    assert "'gone'" in str(error)
    assert not repository.has(stray)


@pytest.mark.parametrize("registry", ["sqlite", "postgres_url"])
def test_two_sweepers_that_prune_at_once_prune_all_and_no_more(
    request: pytest.FixtureRequest, site: Site, tmp_path: Path, registry: str
) -> None:
    registry_url = None if registry == "sqlite" else request.getfixturevalue(registry)
    create_repository(tmp_path / "repo", "demo", site.settings, registry_url=registry_url)
    repository = Repository(site, "demo")
    products, strays = [], []
    for number in range(10):
        _, (target,) = site.submit()
        claim = site.claim(target.id)
        products.append(repository.put(claim, 2 * number))
        strays.append(repository.put(claim, 2 * number + 1))
        site.jobs.claims.complete(claim, done_with(products[-1]))
    barrier = threading.Barrier(2)

    def one(_: int) -> SweepReport:
        with ServiceContext(site.settings) as context:
            barrier.wait(60)
            return sweep(context, site.app, parts=["datasets"])

    with ThreadPoolExecutor(2) as pool:
        reports = [*pool.map(one, range(2)), site.sweep("datasets")]
    assert [repository.has(dataset) for dataset in products] == [True] * 10
    assert [repository.has(dataset) for dataset in strays] == [False] * 10
    assert sum(report["datasets"].counts["pruned"] for report in reports) == 10, "nothing was removed twice"
    assert [report.errors for report in reports] == [()] * 3


# Submissions


def dead_submission(site: Site, *, own_run: bool, run: str = RUN) -> uuid.UUID:
    """Record a submission that announced itself long ago and never became a job."""
    job = uuid.uuid4()
    site.jobs.submissions.announce(
        Submission(job=job, repo="demo", out="demo", run=run, own_run=own_run, user="ann"),
    )
    with write(site.context.engine) as connection:
        connection.execute(update(SubmissionTable).values(created_at=database_now() - 3600))
    return job


@pytest.mark.parametrize("own_run", [True, False])
def test_the_run_of_a_dead_submission_goes_if_it_was_its_own(repository: Repository, own_run: bool) -> None:
    site = repository.site
    with site.context.repositories.butler("demo", writeable=True, run=RUN):
        pass
    dead_submission(site, own_run=own_run)
    assert site.sweep("submissions")["submissions"].counts == {"undone": 1}
    with site.context.repositories.butler("demo") as butler:
        runs = butler.registry.queryCollections()
    assert (RUN in runs) == (not own_run)
    assert site.sweep("submissions")["submissions"].counts == {"undone": 0}


def test_an_undone_submission_cannot_become_a_job_any_more(repository: Repository) -> None:
    site = repository.site
    job = dead_submission(site, own_run=True, run="u/ann/never-made")
    assert site.sweep("submissions")["submissions"].counts == {"undone": 1}
    with pytest.raises(ConflictError):
        site.jobs.submissions.create_job(new_job(id=job, announced=True))


def test_a_submission_that_is_young_is_left_alone(repository: Repository) -> None:
    site = repository.site
    job = uuid.uuid4()
    site.jobs.submissions.announce(Submission(job=job, repo="demo", out="demo", run=RUN, own_run=True, user="ann"))
    assert site.sweep("submissions")["submissions"].counts == {"undone": 0}
    assert site.jobs.submissions.create_job(new_job(id=job, announced=True)).id == job


def test_a_submission_into_a_lost_repository_is_forgotten(site: Site) -> None:
    dead_submission(site, own_run=True)
    report = site.sweep("submissions")["submissions"]
    assert report.counts == {"undone": 1}
    assert report.errors == ()
    assert site.jobs.submissions.give_up_stale(0.0) == []


def test_a_submission_whose_repository_is_away_is_undone_later(repository: Repository, tmp_path: Path) -> None:
    site = repository.site
    dead_submission(site, own_run=True)
    registry = tmp_path / "repo" / "gen3.sqlite3"
    at_home = registry.rename(tmp_path / "elsewhere")
    (tmp_path / "repo" / "gen3.sqlite3").mkdir()
    site.context.repositories.rebuild("demo")
    report = site.sweep("submissions")["submissions"]
    assert report.counts == {"undone": 0}
    assert len(report.errors) == 1
    registry.rmdir()
    at_home.rename(registry)
    assert site.sweep("submissions")["submissions"].counts == {"undone": 1}
