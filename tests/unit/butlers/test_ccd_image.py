"""A CCD image and its FITS form: what goes in comes out, and broken files are named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from underbutler.butlers.images import COMPONENTS, CcdImage
from underbutler.butlers.media_types import media_type
from underbutler.butlers.raw_frames import read_raw_frame, write_raw_frame
from underbutler.errors import UsageError

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
KEYWORDS = st.dictionaries(
    st.sampled_from(["GAIN", "OBJECT", "SEEING", "IS_SIM"]),
    st.one_of(st.integers(-(2**31), 2**31), st.booleans(), st.text("abc XYZ'", max_size=12).map(str.rstrip)),
)


@st.composite
def images(draw: st.DrawFn) -> CcdImage:
    shape = draw(SHAPES)
    kind = draw(st.sampled_from([np.uint8, np.uint16, np.int16, np.int32]))
    return CcdImage(
        draw(hnp.arrays(np.float32, shape, elements=FLOATS)),
        draw(hnp.arrays(kind, shape)),
        draw(hnp.arrays(np.float32, shape, elements=FLOATS)),
        header=fits.Header(draw(KEYWORDS)),
        unit=draw(st.sampled_from(["adu", "electron"])),
        mask_planes=dict(zip(["BAD", "CR", "SATURATED"], draw(st.permutations(range(8))), strict=False)),
    )


def tan_wcs() -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [331.0334, -0.9253]
    wcs.wcs.crpix = [2.5, 3.25]
    wcs.wcs.cd = np.array([[-1.1e-4, 2e-7], [3e-7, 1.2e-4]])
    return wcs


@given(images())
def test_an_image_comes_back_bit_by_bit(image: CcdImage) -> None:
    back = CcdImage.read(io.BytesIO(image.to_bytes()))

    for name in ("image", "mask", "variance"):
        before, after = getattr(image, name), getattr(back, name)
        assert after.dtype == before.dtype
        assert after.tobytes() == before.tobytes()
    assert back.unit == image.unit
    assert back.mask_planes == image.mask_planes
    assert back.header.tostring() == image.header.tostring()


def test_each_component_is_what_the_whole_image_has() -> None:
    image = CcdImage(
        np.arange(6.0).reshape(2, 3),
        np.array([[0, 1, 2], [3, 0, 8]], dtype=np.uint16),
        np.ones((2, 3)),
        header=fits.Header({"OBJECT": "M13"}),
        wcs=tan_wcs(),
        unit="electron",
        mask_planes={"BAD": 0, "CR": 1, "EDGE": 3},
    )
    content = image.to_bytes()

    parts = {name: CcdImage.read_component(io.BytesIO(content), name) for name in COMPONENTS}

    assert parts["image"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert parts["mask"].tolist() == [[0, 1, 2], [3, 0, 8]]
    assert parts["variance"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert parts["header"]["OBJECT"] == "M13"
    assert parts["mask_planes"] == {"BAD": 0, "CR": 1, "EDGE": 3}
    before, after = (np.array(wcs.pixel_to_world_values(1.0, 2.0)) for wcs in (tan_wcs(), parts["wcs"]))
    assert np.abs(before - after).max() < 1e-10


def test_one_plane_is_read_without_the_bytes_of_the_others() -> None:
    image = CcdImage(np.zeros((500, 500)), np.zeros((500, 500), np.int32), np.ones((500, 500)))

    class Counted(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.count += len(content)
            return content

        def readinto(self, buffer: Any) -> int:
            size = super().readinto(buffer)
            self.count += size
            return size

    stream = Counted(image.to_bytes())
    CcdImage.read_component(stream, "variance")

    assert 1_000_000 <= stream.count < 1_100_000


def test_the_file_says_units_and_mask_planes_to_any_reader() -> None:
    image = CcdImage(
        np.ones((2, 2)), np.zeros((2, 2), np.uint8), np.ones((2, 2)), unit="electron", mask_planes={"CR": 3}
    )
    with fits.open(io.BytesIO(image.to_bytes())) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE"]
        assert hdus["IMAGE"].header["BUNIT"] == "electron"
        assert hdus["VARIANCE"].header["BUNIT"] == "electron2"
        assert hdus["MASK"].header["MPLANE3"] == "CR"


def test_a_plane_is_where_its_bit_is_set() -> None:
    mask = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    image = CcdImage(np.zeros((2, 2)), mask, np.ones((2, 2)), mask_planes={"BAD": 0, "CR": 1})
    assert image.plane("CR").tolist() == [[False, False], [True, True]]
    assert image.to_ccddata().mask.tolist() == [[False, True], [True, True]]
    assert image.to_ccddata().uncertainty.array.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("mask", "planes", "problem"),
    [
        (np.zeros((3, 2), np.uint8), {}, "one shape"),
        (np.zeros((2, 2)), {}, "float64"),
        (np.zeros((2, 2), np.uint8), {"FAR": 8}, "bits 0 to 7"),
        (np.zeros((2, 2), np.uint8), {"BAD": 1, "CR": 1}, "bit of its own"),
    ],
)
def test_an_image_that_does_not_fit_together_is_refused(mask: Any, planes: dict[str, int], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        CcdImage(np.zeros((2, 2)), mask, np.zeros((2, 2)), mask_planes=planes)


@pytest.mark.filterwarnings("ignore:Error validating header")
@pytest.mark.parametrize("cut", [100, 2880 * 2, 2880 * 2 + 1000])
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "calexp.fits"
    file.write_bytes(CcdImage(np.ones((9, 90)), np.zeros((9, 90), np.uint8), np.ones((9, 90))).to_bytes()[:cut])
    with pytest.raises(UsageError, match=r"calexp\.fits is not a readable FITS file"):
        CcdImage.read(file)


def test_a_uint16_frame_is_float32_and_keeps_its_header(tmp_path: Path) -> None:
    header = fits.Header({"GAIN": 1.9, "OBJECT": "rf0420"})
    header["HISTORY"] = "read out twice"
    fits.PrimaryHDU(np.array([[0, 65535]], dtype=np.uint16), header=header).writeto(tmp_path / "raw.fits")

    frame = read_raw_frame(tmp_path / "raw.fits")

    assert frame.data.dtype == np.float32
    assert frame.data.tolist() == [[0.0, 65535.0]]
    assert frame.unit == "adu"
    assert frame.header["GAIN"] == 1.9
    assert list(frame.header["HISTORY"]) == ["read out twice"]
    assert "BZERO" not in frame.header


def test_the_image_of_a_frame_may_be_in_an_extension(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU(header=fits.Header({"GAIN": 2.0}))
    image = fits.ImageHDU(np.full((2, 3), 70000, dtype=np.int32), header=fits.Header({"AMP": "A"}))
    fits.HDUList([primary, image]).writeto(tmp_path / "raw.fits")
    frame = read_raw_frame(tmp_path / "raw.fits")
    assert frame.data.dtype == np.float64
    assert (frame.header["GAIN"], frame.header["AMP"], frame.data[0, 0]) == (2.0, "A", 70000)


def test_a_file_without_an_image_is_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    with pytest.raises(UsageError, match="two-dimensional"):
        read_raw_frame(tmp_path / "empty.fits")


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 2.0**20, width=32)))
def test_a_frame_that_is_put_comes_back(values: np.ndarray[Any, Any]) -> None:
    stream = io.BytesIO()
    write_raw_frame(CCDData(values, unit="adu", meta=fits.Header({"GAIN": 2.0})), stream)
    back = read_raw_frame(io.BytesIO(stream.getvalue()))
    assert back.data.tolist() == values.tolist()
    assert back.header["GAIN"] == 2.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b/calexp_CAM.fits", "application/fits"),
        ("src.parq", "application/vnd.apache.parquet"),
        ("preview.PNG", "image/png"),
        ("s3://b/raw.fits.gz", "application/gzip"),
        ("noextension", "application/octet-stream"),
    ],
)
def test_a_file_name_tells_its_media_type(name: str, expected: str) -> None:
    assert media_type(name) == expected
