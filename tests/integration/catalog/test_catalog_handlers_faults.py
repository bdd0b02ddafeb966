"""What a run's handlers say when an object, or the store that has it, is not as it was told."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from tests.support.annex_faults import FaultyS3
from tests.support.catalog.store_of_handlers import *  # noqa: F403 - its fixtures
from tests.support.catalog.store_of_handlers import KEY, Store, ccd_image, settings_for
from underbutler.butlers import CcdImage
from underbutler.catalog.handlers.fits_section import FitsSection
from underbutler.catalog.handlers.parquet_table import ParquetTable
from underbutler.catalog.handlers.png_picture import PngPicture
from underbutler.catalog.handlers.resource_file import GoneFileError, UnreadableFileError, WrongFileError
from underbutler.catalog.handlers.s3_file import BLOCK_BYTES, ReplacedObjectError
from underbutler.errors import AnnexUnavailableError, LostDatasetError, UsageError


def test_an_object_that_is_gone_is_named_with_its_dataset(store: Store, calexp: CcdImage) -> None:
    gone = f"s3://{store.bucket}/2013/gone.fits"
    for handler in (FitsSection, ParquetTable, PngPicture):
        with pytest.raises(GoneFileError, match=r"There is no object s3://.*gone\.fits at http.*dataset 8f1a3e6c"):
            handler(gone, dataset="8f1a3e6c", settings=store.settings)()
    with pytest.raises(GoneFileError, match="There is no bucket 'rubinobs-lfa-none'"):
        FitsSection("s3://rubinobs-lfa-none/a.fits", settings=store.settings)()


def test_an_object_that_goes_while_it_is_open_is_named(store: Store, calexp: CcdImage) -> None:
    handler = FitsSection(store.put(calexp.to_bytes()), settings=store.settings)
    handler.layout()
    store.client.delete_object(Bucket=store.bucket, Key=KEY)
    with pytest.raises(GoneFileError, match="There is no object"):
        handler()


def test_an_object_of_another_size_or_content_is_refused(store: Store, calexp: CcdImage) -> None:
    content = calexp.to_bytes()
    url, digest = store.put(content), hashlib.sha256(content).hexdigest()
    with pytest.raises(WrongFileError, match=f"has {len(content)} bytes, and its resource says 7"):
        FitsSection(url, size=7, settings=store.settings)()
    assert FitsSection(url, sha256=digest, verify=True, settings=store.settings)(section=[[0, 1], [0, 2]]).size == 2
    with pytest.raises(WrongFileError, match="SHA-256"):
        FitsSection(url, sha256="0" * 64, verify=True, settings=store.settings)()


def test_an_object_replaced_while_it_is_read_is_not_mixed(store: Store, calexp: CcdImage) -> None:
    handler = FitsSection(store.put(calexp.to_bytes()), settings=store.settings)
    handler.layout()
    other = ccd_image(1)
    store.put(other.to_bytes())
    with pytest.raises(ReplacedObjectError, match="was replaced while it was read"):
        handler()
    np.testing.assert_array_equal(handler(), other.image, "it is opened anew")


@pytest.mark.parametrize("handler", [FitsSection, ParquetTable, PngPicture])
def test_an_object_cut_to_nothing_is_a_wrong_file(store: Store, handler: type[Any]) -> None:
    """A store answers a range of an empty object with all of it: that is no fault of a proxy."""
    url = f"s3://{store.bucket}/{KEY}"
    store.client.put_object(Bucket=store.bucket, Key=KEY, Body=b"")
    for etag in (None, "0" * 32):
        with pytest.raises(WrongFileError, match="has 0 bytes, and its resource says 2880"):
            handler(url, size=2880, sha256="0" * 64, etag=etag, settings=store.settings)()


def test_an_object_replaced_after_its_notice_is_noticed(store: Store, calexp: CcdImage) -> None:
    content, other = calexp.to_bytes(), ccd_image(1).to_bytes()
    assert len(content) == len(other)
    told = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "settings": store.settings}
    url = store.put(content)
    etag = store.client.head_object(Bucket=store.bucket, Key=KEY)["ETag"].strip('"')
    assert FitsSection(url, etag=etag, **told)(section=[[0, 1], [0, 2]]).size == 2

    assert FitsSection(url, etag="0" * 32, **told)(section=[[0, 1], [0, 2]]).size == 2, "the same bytes, delivered anew"

    store.put(other)
    with pytest.raises(WrongFileError, match=r"SHA-256 .* its bytes have changed"):
        FitsSection(url, etag=etag, **told)(section=[[0, 1], [0, 2]])
    with pytest.raises(WrongFileError, match=rf"replaced after it was announced with the ETag {etag}"):
        FitsSection(url, etag=etag, settings=store.settings)(section=[[0, 1], [0, 2]])


@pytest.mark.parametrize("length", [0, 1, 2880, BLOCK_BYTES, BLOCK_BYTES + 1])
def test_an_object_that_is_no_fits_file_is_refused(store: Store, length: int) -> None:
    url = store.put(b"x" * length)
    for handler in (FitsSection, ParquetTable, PngPicture):
        with pytest.raises(UnreadableFileError, match=r"s3://.* is not a readable"):
            handler(url, settings=store.settings)()


def test_a_body_that_breaks_off_is_continued_where_it_broke(swift: Store, calexp: CcdImage) -> None:
    swift.put(calexp.to_bytes())
    with FaultyS3(swift.endpoint.url) as proxy:
        handler = FitsSection(
            f"s3://{swift.bucket}/{KEY}", settings=settings_for(swift.endpoint, proxy.url), hdu="VARIANCE"
        )
        handler.layout()
        before = len(proxy.seen)
        proxy.spoil("cut answer", "GET", times=1)
        np.testing.assert_array_equal(handler(), calexp.variance)
        assert proxy.done == {"cut answer": 1}
        assert len(proxy.seen) - before == 2


def test_a_store_that_always_breaks_off_is_told_as_away(swift: Store, calexp: CcdImage) -> None:
    swift.put(calexp.to_bytes())
    with FaultyS3(swift.endpoint.url) as proxy:
        handler = FitsSection(f"s3://{swift.bucket}/{KEY}", settings=settings_for(swift.endpoint, proxy.url))
        proxy.spoil("cut answer", "GET")
        with pytest.raises(AnnexUnavailableError, match="breaks off s3://"):
            handler()
        proxy.heal()
        np.testing.assert_array_equal(handler(), calexp.image, "and is read when it is back")


def test_a_busy_store_is_asked_again(swift: Store, calexp: CcdImage) -> None:
    swift.put(calexp.to_bytes())
    with FaultyS3(swift.endpoint.url) as proxy:
        proxy.spoil("busy", "GET", times=1)
        handler = FitsSection(f"s3://{swift.bucket}/{KEY}", settings=settings_for(swift.endpoint, proxy.url))
        np.testing.assert_array_equal(handler(), calexp.image)


def test_a_store_that_is_away_is_no_lost_file(store: Store) -> None:
    nowhere = settings_for(store.endpoint, "http://127.0.0.1:9")
    with pytest.raises(AnnexUnavailableError, match="does not answer") as caught:
        FitsSection(f"s3://{store.bucket}/{KEY}", settings=nowhere)()
    assert not isinstance(caught.value, LostDatasetError | UsageError)


def test_wrong_credentials_are_told(swift: Store, calexp: CcdImage) -> None:
    url = swift.put(calexp.to_bytes())
    wrong = swift.settings.model_copy(update={"s3_access_key_id": "test:stranger"})
    with pytest.raises(AnnexUnavailableError, match=r"UNDERBUTLER_S3_ACCESS_KEY_ID"):
        FitsSection(url, settings=wrong)()
