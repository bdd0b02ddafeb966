"""The seed's contract of `AsyncS3Bucket`, on moto in this process."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import botocore.exceptions
import pytest
from astropy.io import fits
from astropy.time import Time

from underbutler.annex import AsyncS3Bucket

NAME = "rubinobs-lfa-test-atptg"


@pytest.fixture
def bucket() -> Iterator[AsyncS3Bucket]:
    made = AsyncS3Bucket(NAME, True)
    yield made
    made.stop_mock()


def test_it_has_the_seeds_attributes(bucket: AsyncS3Bucket) -> None:
    assert bucket.name == NAME
    assert bucket.bucket.name == NAME
    assert [found.name for found in bucket.service_resource.buckets.all()] == [NAME]


def test_the_seeds_users_may_still_make_the_mock_bucket(bucket: AsyncS3Bucket) -> None:
    bucket.service_resource.create_bucket(Bucket=NAME)


@pytest.mark.parametrize("size", [0, 1, 20 * 2**20 + 3], ids=["empty", "one byte", "several parts"])
def test_what_goes_up_comes_down_and_callbacks_sum_to_the_size(bucket: AsyncS3Bucket, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sent: list[int] = []
    read: list[int] = []

    async def there_and_back() -> tuple[bool, bool, int, io.BytesIO]:
        before = await bucket.exists("a/b.dat")
        await bucket.upload(io.BytesIO(data), "a/b.dat", sent.append)
        after = await bucket.exists("a/b.dat")
        return before, after, await bucket.size("a/b.dat"), await bucket.download("a/b.dat", callback=read.append)

    before, after, stored, fileobj = asyncio.run(there_and_back())

    assert (before, after, stored) == (False, True, size)
    assert sent
    assert sum(sent) == size
    assert read
    assert sum(read) == size
    assert fileobj.tell() == 0
    assert fileobj.read() == data


def test_a_fits_file_is_written_and_opened_as_the_seed_shows(bucket: AsyncS3Bucket) -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU()])
    hdus[0].header["OBJECT"] = "NGC 300"
    fileobj = io.BytesIO()
    hdus.writeto(fileobj)
    fileobj.seek(0)

    async def there_and_back() -> io.BytesIO:
        await bucket.upload(fileobj=fileobj, key="image.fits")
        return await bucket.download(key="image.fits")

    with fits.open(asyncio.run(there_and_back())) as opened:
        assert opened[0].header["OBJECT"] == "NGC 300"
    assert not fileobj.closed


def test_only_404_means_that_an_object_does_not_exist(bucket: AsyncS3Bucket) -> None:
    def refuse(**_: object) -> None:
        raise botocore.exceptions.ClientError(
            {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}},  # type: ignore[typeddict-item]
            "HeadObject",
        )

    bucket.service_resource.meta.client.head_object = refuse
    with pytest.raises(botocore.exceptions.ClientError):
        asyncio.run(bucket.exists("a"))


def test_size_and_download_of_a_missing_object_raise(bucket: AsyncS3Bucket) -> None:
    with pytest.raises(botocore.exceptions.ClientError):
        asyncio.run(bucket.size("missing"))
    with pytest.raises(botocore.exceptions.ClientError):
        asyncio.run(bucket.download("missing"))


def test_two_mock_buckets_share_one_store_and_stop_in_any_order() -> None:
    first, second = AsyncS3Bucket("first", domock=True), AsyncS3Bucket("second", domock=True)
    try:
        asyncio.run(first.upload(io.BytesIO(b"abc"), "k"))
        second.stop_mock()
        second.stop_mock()
        assert asyncio.run(first.size("k")) == 3
    finally:
        first.stop_mock()
        second.stop_mock()


def test_a_mock_bucket_never_uses_the_real_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://127.0.0.1:1")
    bucket = AsyncS3Bucket(NAME, domock=True)
    try:
        assert not asyncio.run(bucket.exists("k"))
    finally:
        bucket.stop_mock()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://foo.bar:9000", "http://foo.bar:9000"),
        ("", "https://s3.us-east-1.amazonaws.com"),
        (None, "https://s3.us-east-1.amazonaws.com"),
    ],
)
def test_the_endpoint_is_s3_endpoint_url_and_empty_is_unset(
    monkeypatch: pytest.MonkeyPatch, value: str | None, expected: str
) -> None:
    if value is not None:
        monkeypatch.setenv("S3_ENDPOINT_URL", value)
    bucket = AsyncS3Bucket(NAME)
    assert bucket.service_resource.meta.client.meta.endpoint_url == expected


def test_names_and_keys_are_the_seeds() -> None:
    assert AsyncS3Bucket.make_bucket_name("ATPtg", None, "Summit") == "rubinobs-lfa-summit-atptg"
    assert AsyncS3Bucket.make_bucket_name("Test", "Blue", "NCSA", "ABC") == "rubinobs-abc-ncsa-test.blue"
    with pytest.raises(ValueError, match="salname"):
        AsyncS3Bucket.make_bucket_name("-Test", None, "Summit")
    date = Time("2020-04-02T11:59:59.999", scale="tai")
    assert AsyncS3Bucket.make_key("Test", "fits", date) == "2020/04/01/Test-fits-20200401-2020-04-02T11:59:59.999"
