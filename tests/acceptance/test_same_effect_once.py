"""A worker's child dies between any two steps: afterwards there is exactly one visible effect of its target."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.probes.package import install
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import Site
from underbutler.annex import bucket_for, fetch
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow, TargetRow
from underbutler.records.tables.jobs import Notice
from underbutler.sql import read

pytestmark = pytest.mark.xdist_group("mortal")

DEATHS: list[tuple[str, ...]] = [
    ("before_claim",),
    ("after_claim",),
    ("before_intend",),
    ("after_intend",),
    ("before_put",),
    ("after_file",),  # the file is written and its rows are not
    ("after_put",),
    ("before_begin_delivery",),  # all is in the Butler, and the records do not know
    ("after_begin_delivery",),
    ("before_deliver",),
    ("after_parts",),  # a multipart upload that nobody ends
    ("after_deliver",),  # the last byte is there, and nothing is visible
    ("before_complete",),
    ("after_complete",),
    ("before_publish",),
    ("after_publish",),
    ("after_mark_notices_sent",),
    ("after_put", "before_prune"),
    ("after_put", "before_empty_trash"),  # what was pruned is gone from the registry, and its file is there
    ("after_put", "after_prune"),
    ("after_begin_delivery", "after_add_uploads"),
    ("after_deliver", "before_complete"),
]
AFTER_THE_END = {"after_complete", "before_publish", "after_publish", "after_mark_notices_sent"}


@dataclass
class Survived:
    """A job of which every target's child has died somewhere."""

    site: Site
    job: JobRow
    targets: dict[int, TargetRow]
    arms: Path

    def datasets(self, exposure: int) -> dict[Any, tuple[int, str]]:
        """Return size and SHA-256 of every file that the Butler has of an exposure in the job's RUN, by dataset."""
        with self.site.context.repositories.butler("demo", collections=[self.job.run]) as butler:
            refs = [
                ref
                for ref in butler.query_all_datasets(self.job.run, find_first=False)
                if "exposure" in ref.dataId and ref.dataId["exposure"] == exposure
            ]
            assert len({ref.datasetType.name for ref in refs}) == len(refs) == 3
            bodies = {ref.id: butler.getURI(ref).read() for ref in refs}
        return {name: (len(body), hashlib.sha256(body).hexdigest()) for name, body in bodies.items()}


@pytest.fixture(scope="module")
def mortal_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """Run a stack whose worker loads the mortal task, with one frame for each way to die."""
    arms = tmp_path_factory.mktemp("arms")
    with run_site(
        tmp_path_factory,
        lambda folder: install(folder, "mortal_tasks", {"mortalWrite": "MortalTask"}),
        environment={
            "MORTAL_FOLDER": arms,
            "UNDERBUTLER_SWEEP_INTERVAL_S": 1,
            "UNDERBUTLER_OUTBOX_GRACE_S": 1,
            "UNDERBUTLER_RETRY_BASE_S": 0.5,
            "UNDERBUTLER_LEASE_S": 20,
            "UNDERBUTLER_ANNEX_PART_BYTES": 5 * 2**20,
        },
        transfer="direct",
        n_bias=len(DEATHS),
        n_flat=0,
        n_science=0,
        detectors=[0],
        shape=(64, 64),
    ) as site:
        yield site, arms


@pytest.fixture(scope="module")
def survived(mortal_site: tuple[Site, Path]) -> Survived:
    """Arm a death of one exposure for each case, run them all in one job, and wait for its end."""
    site, arms = mortal_site
    with site.context.repositories.butler("demo") as butler:
        found = butler.query_dimension_records("exposure", instrument="SIMCAM")
    exposures = sorted(int(record.id) for record in found)
    for exposure, steps in zip(exposures, DEATHS, strict=True):
        for step in steps:
            (arms / f"{exposure}.{step}").touch()
    job = site.ended(site.submit("mortalWrite", "demo", "--id", "instrument=SIMCAM"), timeout=200)
    rows = {int(row.data_id["exposure"]): row for row in site.context.jobs.read.targets(job.id)}
    return Survived(site, job, dict(sorted(rows.items())), arms)


@pytest.mark.timeout(280)
def test_every_target_is_done_whatever_died(survived: Survived) -> None:
    left = {path.name for path in survived.arms.iterdir() if path.suffix != ".died"}
    assert left == set(), "every death that was armed has happened"
    assert {row.state for row in survived.targets.values()} == {TargetState.DONE}
    assert survived.job.phase == Phase.COMPLETED


@pytest.mark.parametrize("steps", DEATHS, ids=["+".join(steps) for steps in DEATHS])
def test_there_is_one_visible_effect(survived: Survived, steps: Sequence[str]) -> None:
    exposure = list(survived.targets)[DEATHS.index(tuple(steps))]
    target, jobs = survived.targets[exposure], survived.site.context.jobs
    ends = [claim.end for claim in jobs.read.claims(target.id)]
    deaths = [step for step in steps if step not in AFTER_THE_END and step != "before_claim"]
    assert ends == [*["died" for _ in deaths], "done"]

    products = jobs.read.products_of(target.id)
    datasets = survived.datasets(exposure)
    assert {product.dataset_id: product.byte_size for product in products} == {
        name: size for name, (size, _) in datasets.items()
    }
    assert {product.claim_no for product in products} == {target.claim_no}

    (picture,) = [product for product in products if product.large]
    (notice,) = [notice for notice in jobs.read.notices(survived.job.id) if notice.target == str(target.id)]
    assert notice.url == picture.url
    assert notice.key.endswith(f"-{target.id}.{target.claim_no}.png")
    assert notice.checkSum == picture.sha256 == datasets[picture.dataset_id][1]
    held = io.BytesIO()
    assert fetch(survived.site.context.s3, notice, held) == picture.byte_size


def test_every_notice_is_sent_and_each_id_is_there_once(survived: Survived) -> None:
    notices = survived.site.context.jobs.read.notices(survived.job.id)
    assert len({notice.id for notice in notices}) == len(notices) == len(DEATHS)

    def all_sent() -> bool:
        with read(survived.site.context.engine) as connection:
            return not connection.execute(select(Notice.id).where(Notice.sent_at.is_(None))).all()

    eventually(all_sent, 60, "the sending of every notice")


def test_nothing_of_dead_claims_stays_in_the_annex(survived: Survived) -> None:
    context = survived.site.context
    visible = {notice.key for notice in context.jobs.read.notices(survived.job.id)}
    bucket = bucket_for(survived.site.settings, "SIMCAM")

    def clean() -> bool:
        objects = {one["Key"] for one in context.s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
        assert visible <= objects
        uploads = context.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return objects == visible and not uploads

    eventually(clean, 60, "the removal of what dead claims left")
