"""What dead claims left in the annex goes, and what is visible stays."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from tests.support.services import S3Endpoint
from tests.support.sweeper_site import Site, open_site
from underbutler.annex import ensure_bucket, make_client
from underbutler.embedded.process import free_port
from underbutler.errors import AnnexUnavailableError
from underbutler.model.job import TargetState
from underbutler.records import Claim, Outcome, Product, Upload
from underbutler.records.tables.jobs import Upload as UploadTable
from underbutler.settings import Settings
from underbutler.sql import write

MIB = 2**20


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
