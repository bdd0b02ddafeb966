"""What a run's handlers fetch from real S3 servers, counted."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import event_model
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from tests.support.catalog.runs import SCALAR, Recording, image_key
from tests.support.catalog.store_of_handlers import *  # noqa: F403 - its fixtures
from tests.support.catalog.store_of_handlers import KEY, SIDE, Store
from underbutler.butlers import CcdImage
from underbutler.catalog.handlers.fits_section import FitsSection
from underbutler.catalog.handlers.parquet_table import ParquetTable
from underbutler.catalog.handlers.png_picture import PngPicture
from underbutler.catalog.handlers.s3_file import BLOCK_BYTES, S3File
from underbutler.settings import Settings


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
