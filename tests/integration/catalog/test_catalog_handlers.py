"""What a run's handlers fetch from real S3 servers, counted; and what they say when something is wrong there."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import event_model
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from tests.support.annex_faults import FaultyS3
from tests.support.catalog.runs import SCALAR, Recording, image_key
from tests.support.services import S3Endpoint
from underbutler.annex import deliver, ensure_bucket
from underbutler.butlers import CcdImage
from underbutler.catalog.handlers.fits_section import FitsSection
from underbutler.catalog.handlers.parquet_table import ParquetTable
from underbutler.catalog.handlers.png_picture import PngPicture
from underbutler.catalog.handlers.resource_file import GoneFileError, UnreadableFileError, WrongFileError
from underbutler.catalog.handlers.s3_file import BLOCK_BYTES, ReplacedObjectError, S3File
from underbutler.errors import AnnexUnavailableError, LostDatasetError, UsageError
from underbutler.s3 import make_client, shared_client
from underbutler.settings import Settings

SIDE = 1024
KEY = "2013/07/13/STE3-processCcd.calexp-20130713-2013-07-14T00:57:33.000-detector=0 é-a.1.fits"
NUMBERS = count(1)


@dataclass
class Store:
    """A bucket of a store, and what was fetched of it."""

    endpoint: S3Endpoint
    bucket: str
    settings: Settings
    client: Any

    def put(self, data: bytes, key: str = KEY) -> str:
        deliver(
            self.client,
            io.BytesIO(data),
            bucket=self.bucket,
            key=key,
            size=len(data),
            mime_type="application/fits",
            metadata={"job": "j"},
        )
        return f"s3://{self.bucket}/{key}"

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Give the bytes of each answer to a GET inside the block, as the store has told them."""
        sizes: list[int] = []

        def note(http_response: Any, **_: Any) -> None:
            assert http_response.status_code == 206, "never the whole object"
            sizes.append(int(http_response.headers["content-length"]))

        events = shared_client(self.settings).meta.events
        events.register("after-call.s3.GetObject", note)
        try:
            yield sizes
        finally:
            events.unregister("after-call.s3.GetObject", note)


def settings_for(endpoint: S3Endpoint, url: str | None = None) -> Settings:
    return Settings(
        _env_file=None,
        s3_endpoint_url=url or endpoint.url,
        s3_access_key_id=endpoint.access_key,
        s3_secret_access_key=endpoint.secret_key,  # type: ignore[arg-type]
    )


@pytest.fixture(params=["moto_endpoint", "swift_endpoint"], ids=["moto", "swift"])
def store(request: pytest.FixtureRequest) -> Store:
    endpoint: S3Endpoint = request.getfixturevalue(request.param)
    return store_at(endpoint)


@pytest.fixture
def swift(swift_endpoint: S3Endpoint) -> Store:
    return store_at(swift_endpoint)


def store_at(endpoint: S3Endpoint) -> Store:
    settings = settings_for(endpoint)
    client = make_client(settings)
    bucket = f"rubinobs-lfa-test-h{next(NUMBERS)}-{uuid4().hex[:8]}"
    ensure_bucket(client, bucket)
    return Store(endpoint, bucket, settings, client)


def ccd_image(value: int = 0) -> CcdImage:
    """Return an image of 1k×1k with the header of a real frame."""
    image = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) + value
    header = fits.Header({f"KEY{n}": n for n in range(120)})
    mask = (image % 7).astype(np.uint16)
    return CcdImage(image, mask, image + 1, header=header, unit="electron", mask_planes={"BAD": 0})


@pytest.fixture(scope="module")
def calexp() -> CcdImage:
    return ccd_image()


@pytest.mark.parametrize("plane", ["image", "mask", "variance"])
def test_one_plane_costs_its_own_bytes_and_few_requests(store: Store, calexp: CcdImage, plane: str) -> None:
    content = calexp.to_bytes()
    url = store.put(content)
    expected = getattr(calexp, plane)
    with store.counted() as fetched:
        array = FitsSection(url, hdu=plane.upper(), settings=store.settings, size=len(content))()
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == expected.dtype
    assert expected.nbytes < sum(fetched) < 1.05 * expected.nbytes
    assert len(fetched) <= 5


def test_the_next_plane_of_an_open_file_needs_no_header_again(store: Store, calexp: CcdImage) -> None:
    handler = FitsSection(store.put(calexp.to_bytes()), settings=store.settings)
    handler(hdu="VARIANCE")
    with store.counted() as fetched:
        np.testing.assert_array_equal(handler(hdu="IMAGE"), calexp.image)
    assert len(fetched) == 1
    assert sum(fetched) <= calexp.image.nbytes


def test_shape_and_dtype_cost_headers_and_a_slice_its_rows(store: Store, calexp: CcdImage) -> None:
    handler = FitsSection(store.put(calexp.to_bytes()), settings=store.settings)
    with store.counted() as fetched:
        delayed = handler.delayed()
    assert (delayed.shape, delayed.dtype) == ((SIDE, SIDE), np.float32)
    assert sum(fetched) <= 4 * BLOCK_BYTES
    with store.counted() as fetched:
        rows = delayed[100:110, 5:9].compute()
    np.testing.assert_array_equal(rows, calexp.image[100:110, 5:9])
    assert fetched == [10 * SIDE * 4]


def test_one_plane_of_a_cube_is_fetched_alone(store: Store) -> None:
    cube = np.arange(8 * 256 * 256, dtype=np.int32).reshape(8, 256, 256)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(cube)]).writeto(stream)
    handler = FitsSection(store.put(stream.getvalue()), settings=store.settings)
    with store.counted() as fetched:
        np.testing.assert_array_equal(handler(plane=5), cube[5])
    assert sum(fetched) <= cube[5].nbytes + BLOCK_BYTES
    with store.counted() as fetched:
        np.testing.assert_array_equal(handler.delayed()[2:4].compute(scheduler="sync"), cube[2:4])
    assert sum(fetched) <= cube[2:4].nbytes


def test_a_compressed_image_is_not_read_in_crumbs(store: Store) -> None:
    pixels = np.random.default_rng(1).integers(0, 2**12, (512, 512), np.int16)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, name="SCI")]).writeto(stream)
    content = stream.getvalue()
    with store.counted() as fetched:
        np.testing.assert_array_equal(FitsSection(store.put(content), settings=store.settings)(hdu="SCI"), pixels)
    assert sum(fetched) <= len(content)
    assert len(fetched) <= 12


def parquet(rows: int) -> bytes:
    """Return a table of ten columns of numbers that do not compress."""
    import pyarrow.parquet as pq
    from lsst.daf.butler.formatters.parquet import astropy_to_arrow

    random = np.random.default_rng(1)
    stream = io.BytesIO()
    pq.write_table(astropy_to_arrow(Table({f"c{n}": random.normal(size=rows) for n in range(10)})), stream)
    return stream.getvalue()


def test_a_column_of_a_table_is_fetched_alone(store: Store) -> None:
    content = parquet(100_000)
    url = store.put(content)
    with store.counted() as fetched:
        column = ParquetTable(url, settings=store.settings)(column="c7")
    np.testing.assert_array_equal(column, np.random.default_rng(1).normal(size=(10, 100_000))[7])
    footer = 2**16
    assert sum(fetched) < len(content) / 10 + footer + BLOCK_BYTES
    assert len(fetched) <= 4
    with store.counted() as fetched:
        table = ParquetTable(url, sha256=hashlib.sha256(content).hexdigest(), settings=store.settings)()
    assert (len(table), len(table.dtype.names or ())) == (100_000, 10)
    assert sum(fetched) == len(content)


def test_a_small_table_or_picture_is_one_request(store: Store) -> None:
    content = parquet(50)
    with store.counted() as fetched:
        assert ParquetTable(store.put(content, "small.parq"), settings=store.settings)(column="c1").shape == (50,)
    assert fetched == [len(content)]
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    with store.counted() as fetched:
        np.testing.assert_array_equal(
            PngPicture(store.put(stream.getvalue(), "a.png"), settings=store.settings)(), pixels
        )
    assert fetched == [len(stream.getvalue())]


def test_reading_one_image_of_a_run_fetches_that_image(
    store: Store, monkeypatch: pytest.MonkeyPatch, calexp: CcdImage
) -> None:
    """The number of issue 4: under 1.2 times the bytes of one image."""
    for name, value in store.endpoint.environment().items():
        monkeypatch.setenv(name, value)
    store.settings = Settings(_env_file=None)
    recording = Recording(task="processCcd")
    keys = {"fwhm": SCALAR, "calexp": image_key((SIDE, SIDE), dtype_numpy="<f4")}
    descriptor = recording.stream("primary", keys)
    content = calexp.to_bytes()
    for number in range(3):
        store.put(content, f"{number}.fits")
        resource = recording.resource(Path(store.bucket) / f"{number}.fits", spec="ANNEX_FITS", size=len(content))
        recording.memory.pairs[-1][1]["root"] = f"s3://{store.bucket}"
        datum = recording.datum(resource, hdu="IMAGE")
        recording.event(descriptor, {"fwhm": 1.5, "calexp": datum}, {"calexp": False})
    run = recording.stop().run({"ANNEX_FITS": FitsSection})
    with store.counted() as fetched:
        images = run["primary"].to_dask()["calexp"]
        assert (images.shape, images.dtype, sum(fetched)) == ((3, SIDE, SIDE), np.float32, 0)
        np.testing.assert_array_equal(images[1].compute(), calexp.image)
    assert sum(fetched) < 1.2 * calexp.image.nbytes
    with store.counted() as fetched:
        [page] = [page for name, page in run.documents(fill="delayed") if name == "event_page"]
        rows = page["data"]["calexp"][2][: SIDE // 10].compute()
    np.testing.assert_array_equal(rows, calexp.image[: SIDE // 10])
    assert sum(fetched) < 0.5 * calexp.image.nbytes  # some headers, and a tenth of the rows
    assert run.get_file_list(recording.memory.resources()[2]) == [f"s3://{store.bucket}/2.fits"]


def test_a_filler_of_event_model_reads_s3_and_a_mirror_of_it(store: Store, calexp: CcdImage, tmp_path: Path) -> None:
    content = calexp.to_bytes()
    store.put(content, "night/1.fits")
    (tmp_path / "night").mkdir()
    (tmp_path / "night" / "1.fits").write_bytes(content)
    run = event_model.compose_run()
    descriptor = run.compose_descriptor(name="primary", data_keys={"calexp": image_key((2, 3))})
    resource = run.compose_resource(
        spec="ANNEX_FITS", root=f"s3://{store.bucket}", resource_path="night/1.fits", resource_kwargs={"hdu": "IMAGE"}
    )
    datum = resource.compose_datum({"section": [[1, 3], [0, 3]]})
    event = descriptor.compose_event(data={"calexp": datum["datum_id"]}, timestamps={"calexp": 0.0}, filled={})
    event["filled"] = {"calexp": False}
    for root_map in ({}, {f"s3://{store.bucket}": str(tmp_path)}):
        filler = event_model.Filler({"ANNEX_FITS": bound(store.settings)}, root_map=root_map, inplace=False)
        filler("start", run.start_doc)
        filler("descriptor", descriptor.descriptor_doc)
        filler("resource", resource.resource_doc)
        filler("datum", datum)
        with store.counted() as fetched:
            np.testing.assert_array_equal(filler("event", event)[1]["data"]["calexp"], calexp.image[1:3, 0:3])
        assert bool(fetched) == (not root_map)


def bound(settings: Settings) -> Callable[..., FitsSection]:
    return lambda path, **given: FitsSection(path, settings=settings, **given)


def test_what_is_delayed_pickles_and_reads_elsewhere(store: Store, calexp: CcdImage) -> None:
    delayed = FitsSection(store.put(calexp.to_bytes()), settings=store.settings).delayed(hdu="MASK")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(delayed))[7].compute(), calexp.mask[7])


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


def test_a_file_of_s3_reads_like_one_on_disk(store: Store) -> None:
    random = np.random.default_rng(20261121)
    data = random.bytes(3 * 2**20 + 17)
    store.put(data)
    disk = io.BytesIO(data)
    with S3File(store.client, store.bucket, KEY, from_end=bool(random.integers(2))) as file:
        for _ in range(60):
            whence, size = int(random.integers(3)), int(2 ** random.uniform(0, 20))
            offset = int(random.integers(-(2**20), 2**20)) if whence else int(random.integers(len(data) + 999))
            if whence == io.SEEK_CUR and disk.tell() + offset < 0:
                continue
            assert file.seek(offset, whence) == disk.seek(offset, whence) == file.tell()
            assert file.read(size) == disk.read(size)
        assert file.seek(-5, io.SEEK_END) == len(data) - 5
        buffer = bytearray(9)
        assert (file.readinto(buffer), bytes(buffer[:5])) == (5, data[-5:])
        assert (file.read(), file.read(3)) == (b"", b"")
        with pytest.raises(ValueError, match="before the begin"):
            file.seek(-1)
        file.seek(0)
        assert file.read() == data
    with pytest.raises(ValueError, match="is closed"):
        file.read()


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
