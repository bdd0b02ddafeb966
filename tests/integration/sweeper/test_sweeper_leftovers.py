"""What dead claims and dead submissions left in the Butler and in the annex: removed, and nothing else."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from tests.support.records.rows import new_job
from tests.support.services import S3Endpoint
from tests.support.sweeper_site import Site, open_site
from underbutler.annex import ensure_bucket, make_client
from underbutler.butlers import create_repository
from underbutler.context import ServiceContext
from underbutler.embedded.process import free_port
from underbutler.errors import AnnexUnavailableError, ConflictError
from underbutler.model.job import TargetState
from underbutler.records import Claim, Intent, Outcome, Product, Submission, Upload
from underbutler.records.tables.jobs import Claim as ClaimTable
from underbutler.records.tables.jobs import Target
from underbutler.records.tables.jobs import Upload as UploadTable
from underbutler.records.tables.service import Submission as SubmissionTable
from underbutler.settings import Settings
from underbutler.sql import database_now, write
from underbutler.sweeper import SweepReport, sweep
from underbutler.sweeper.datasets import LostProductError

RUN = "u/ann/processCcd/1"
MIB = 2**20


@dataclass
class Repository:
    """A repository, and datasets in it that claims have written."""

    site: Site
    label: str
    refs: dict[uuid.UUID, Any] = field(default_factory=dict)

    def put(self, claim: Claim, number: int, *, intended: bool = True) -> uuid.UUID:
        """Write a dataset as a claim does: the intent first."""
        from lsst.daf.butler import DatasetRef, DatasetType

        with self.site.context.repositories.butler(self.label, writeable=True, run=RUN) as butler:
            kind = DatasetType(f"kind{number}", butler.dimensions.conform(["instrument"]), "StructuredDataDict")
            butler.registry.registerDatasetType(kind)
            data_id = butler.registry.expandDataId(instrument="STE3")
            ref = DatasetRef(kind, data_id, run=RUN)
            if intended:
                intent = Intent(dataset_id=ref.id, dataset_type=kind.name, run=RUN, data_id={"instrument": "STE3"})
                self.site.jobs.intents.record(claim, [intent])
            butler.put({"number": number}, ref)
        self.refs[ref.id] = ref
        return ref.id

    def has(self, dataset: uuid.UUID) -> bool:
        """Tell whether a dataset is in registry and datastore."""
        with self.site.context.repositories.butler(self.label) as butler:
            known = butler.get_dataset(dataset) is not None
            assert known == butler.stored(self.refs[dataset]), "registry and datastore say the same"
        return known

    def remove(self, dataset: uuid.UUID) -> None:
        """Remove a dataset behind everybody's back."""
        with self.site.context.repositories.butler(self.label, writeable=True) as butler:
            butler.pruneDatasets([self.refs[dataset]], disassociate=True, unstore=True, purge=True)


@pytest.fixture
def repository(site: Site, tmp_path: Path) -> Repository:
    create_repository(tmp_path / "repo", "demo", site.settings)
    return Repository(site, "demo")


def made(dataset: uuid.UUID) -> Product:
    return Product(dataset_id=dataset, dataset_type="kind", data_id={"instrument": "STE3"})


def done_with(*datasets: uuid.UUID, state: TargetState = TargetState.DONE) -> Outcome:
    return Outcome(state=state, products=[made(dataset) for dataset in datasets])


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


# The annex


@dataclass
class Annex:
    """A bucket, and keys in it that claims were going to write."""

    site: Site
    client: Any
    bucket: str

    def keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ())]

    def cut_uploads(self) -> list[str]:
        return [one["Key"] for one in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]

    def put(self, key: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=b"all of it")

    def begin(self, key: str) -> None:
        """Begin an upload in parts that is never finished."""
        made = self.client.create_multipart_upload(Bucket=self.bucket, Key=key)
        part = {"Bucket": self.bucket, "Key": key, "UploadId": made["UploadId"], "PartNumber": 1}
        self.client.upload_part(**part, Body=b"x" * 5 * MIB)

    def deliver(self, claim: Claim, *keys: str) -> None:
        """Let a claim begin its delivery."""
        uploads = [Upload(bucket=self.bucket, key=key) for key in keys]
        self.site.jobs.claims.begin_delivery(claim, [], uploads=uploads)


@pytest.fixture
def make_annex(settings: Settings, redis_url: str) -> Iterator[Callable[[S3Endpoint], Annex]]:
    with ExitStack() as stack:

        def make(endpoint: S3Endpoint) -> Annex:
            changes = {
                "broker_url": redis_url,
                "s3_endpoint_url": endpoint.url,
                "s3_access_key_id": endpoint.access_key,
                "s3_secret_access_key": SecretStr(endpoint.secret_key),
            }
            site = stack.enter_context(open_site(settings, **changes))
            annex = Annex(site, make_client(site.settings), f"leftovers-{uuid.uuid4().hex[:8]}")
            ensure_bucket(annex.client, annex.bucket)
            return annex

        yield make


@pytest.fixture
def annex(make_annex: Callable[[S3Endpoint], Annex], swift_endpoint: S3Endpoint) -> Annex:
    return make_annex(swift_endpoint)


def test_objects_of_a_dead_claim_go_and_visible_ones_stay(annex: Annex) -> None:
    site = annex.site
    _, (target,) = site.submit()
    site.sweep("messages")
    dead = site.claim(target.id)
    annex.deliver(dead, "day/one.1.fits", "day/two.1.fits")
    annex.put("day/one.1.fits")
    annex.begin("day/two.1.fits")
    annex.begin("day/two.1.fits")
    annex.begin("day/two.1.fits.of-somebody-else")
    site.expire(target.id)
    report = site.sweep("leases", "messages", "uploads")
    assert report["uploads"].counts == {"objects removed": 1, "cut uploads aborted": 2}
    assert annex.keys() == []
    assert annex.cut_uploads() == ["day/two.1.fits.of-somebody-else"]

    living = site.claim(target.id)
    site.jobs.uploads.add(living, [Upload(bucket=annex.bucket, key="day/one.2.fits")])
    annex.put("day/one.2.fits")
    assert site.sweep("uploads")["uploads"].counts["objects removed"] == 0, "it is being delivered"
    url = f"s3://{annex.bucket}/day/one.2.fits"
    product = Product(dataset_id=uuid.uuid4(), dataset_type="picture", large=True, url=url, byte_size=9)
    site.jobs.claims.complete(living, Outcome(state=TargetState.DONE, products=[product]))
    assert site.sweep("uploads")["uploads"].counts["objects removed"] == 0
    assert annex.keys() == ["day/one.2.fits"]


def test_what_a_woken_zombie_wrote_goes_in_a_second_cleaning(annex: Annex) -> None:
    site = annex.site
    _, (target,) = site.submit()
    site.sweep("messages")
    claim = site.claim(target.id)
    annex.deliver(claim, "day/one.1.fits")
    site.expire(target.id)
    assert site.sweep("leases", "uploads")["uploads"].counts["objects removed"] == 0
    annex.put("day/one.1.fits")
    assert site.sweep("uploads")["uploads"].counts["objects removed"] == 0, "it was looked at a moment ago"
    with write(site.context.engine) as connection:
        later = site.settings.hard_limit_s + 60
        connection.execute(update(UploadTable).values(cleaned_at=UploadTable.cleaned_at - later))
    assert site.sweep("uploads")["uploads"].counts["objects removed"] == 1
    assert annex.keys() == []
    assert site.jobs.uploads.to_clean(again_after_s=0.0) == [], "that was the last time"


def test_an_annex_that_is_away_holds_up_nothing_else(
    make_annex: Callable[[S3Endpoint], Annex], moto_endpoint: Any
) -> None:
    annex = make_annex(moto_endpoint)
    site = annex.site
    _, (target, waiting) = site.submit(2)
    claim = site.claim(target.id)
    annex.deliver(claim, "day/one.1.fits")
    annex.put("day/one.1.fits")
    site.expire(target.id)
    away = f"http://127.0.0.1:{free_port()}"
    at_home, site.settings.__dict__["s3_endpoint_url"] = site.settings.s3_endpoint_url, away
    report = site.sweep()
    (error,) = report.errors
    assert isinstance(error, AnnexUnavailableError)
    assert report["uploads"].errors == (error,)
    assert report["messages"].counts == {"sent": 2}
    site.settings.__dict__["s3_endpoint_url"] = at_home
    assert site.sweep()["uploads"].counts["objects removed"] == 1
    assert site.state(waiting.id) == TargetState.QUEUED


def test_a_bucket_that_is_gone_has_nothing_left_in_it(
    make_annex: Callable[[S3Endpoint], Annex], moto_endpoint: Any
) -> None:
    annex = make_annex(moto_endpoint)
    site = annex.site
    _, (target,) = site.submit()
    claim = site.claim(target.id)
    annex.deliver(claim, "day/one.1.fits")
    site.expire(target.id)
    annex.client.delete_bucket(Bucket=annex.bucket)
    report = site.sweep("leases", "uploads")
    assert report.errors == ()
    assert report["uploads"].counts == {"objects removed": 0, "cut uploads aborted": 0}
    assert site.jobs.uploads.to_clean() == []
