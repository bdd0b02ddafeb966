"""From counts to electrons, on frames small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData

from tasks.isr import IsrConfig, IsrTask
from tasks.planes import PLANES, has, mark
from underbutler.butlers import CcdImage
from underbutler.errors import UsageError

NY, NX, STRIP = 6, 8, 4


def raw_frame(level: float = 100.0, light: float = 40.0, **cards: Any) -> CCDData:
    """Return 8 light-sensitive columns and 4 of overscan; a card of None is left out."""
    counts = np.full((NY, NX + STRIP), level, dtype=np.float32)
    counts[:, :NX] += light
    header: dict[str, Any] = {
        "GAIN": 2.0,
        "RDNOISE": 5.0,
        "BIASSEC": "[9:12,1:6]",
        "TRIMSEC": "[1:8,1:6]",
        "EXPTIME": 10.0,
    }
    header = {key: value for key, value in (header | cards).items() if value is not None}
    return CCDData(counts, unit="adu", meta=header)


def master(value: float, variance: float = 0.0, unit: str = "electron", shape: tuple[int, int] = (NY, NX)) -> CcdImage:
    return CcdImage(
        np.full(shape, value), np.zeros(shape, np.int32), np.full(shape, variance), unit=unit, mask_planes=PLANES
    )


def reduce(raw: CCDData, *, config: dict[str, Any] | None = None, **masters: Any) -> Any:
    settings = IsrConfig()
    settings.edge = 0
    for name, value in (config or {}).items():
        setattr(settings, name, value)
    return IsrTask(config=settings).run(raw, **masters)


def test_40_counts_are_80_electrons_of_variance_80_and_25() -> None:
    result = reduce(raw_frame())
    assert result.exposure.shape == (NY, NX)
    np.testing.assert_allclose(result.exposure.image, 80.0)
    np.testing.assert_allclose(result.exposure.variance, 80.0 + 25.0)
    assert result.exposure.unit == "electron"
    assert result.overscan_adu == 100.0


def test_each_row_has_its_own_overscan_level() -> None:
    raw = raw_frame()
    raw.data += np.arange(NY, dtype=np.float32)[:, np.newaxis]
    np.testing.assert_allclose(reduce(raw).exposure.image, 80.0)


def test_an_overscan_of_rows_is_taken_column_by_column() -> None:
    counts = np.full((NY + 3, NX), 100.0, dtype=np.float32)
    counts[:NY] += 40.0
    counts += np.arange(NX, dtype=np.float32)
    header = {"GAIN": 2.0, "RDNOISE": 5.0, "BIASSEC": "[1:8,7:9]", "TRIMSEC": "[1:8,1:6]"}
    np.testing.assert_allclose(reduce(CCDData(counts, unit="adu", meta=header)).exposure.image, 80.0)


def test_the_read_noise_is_measured_in_the_overscan() -> None:
    rng = np.random.default_rng(3)
    raw = CCDData(rng.normal(500.0, 3.0, size=(400, 112)), unit="adu", meta=dict(raw_frame().meta))
    result = reduce(raw, config={"overscanSection": "[101:112,1:400]", "trimSection": "[1:100,1:400]"})
    assert result.read_noise_e == pytest.approx(6.0, rel=0.05)
    assert result.nominal_read_noise_e == 5.0


def test_a_bias_is_subtracted_in_electrons_with_its_variance() -> None:
    exposure = reduce(raw_frame(), bias=master(30.0, variance=4.0)).exposure
    np.testing.assert_allclose(exposure.image, 50.0)
    np.testing.assert_allclose(exposure.variance, 50.0 + 25.0 + 4.0)


def test_a_dark_is_scaled_by_the_exposure_time() -> None:
    exposure = reduce(raw_frame(), dark=master(1.5, variance=0.25, unit="electron / s")).exposure
    np.testing.assert_allclose(exposure.image, 80.0 - 15.0)
    np.testing.assert_allclose(exposure.variance, 80.0 + 25.0 + 0.25 * 100.0)


def test_a_flat_divides_image_and_noise() -> None:
    exposure = reduce(raw_frame(), flat=master(0.5, unit="")).exposure
    np.testing.assert_allclose(exposure.image, 160.0)
    np.testing.assert_allclose(exposure.variance, 105.0 * 4.0)


def test_a_masters_bad_pixel_is_inherited_whatever_its_bit() -> None:
    flat = CcdImage(
        np.ones((NY, NX)), np.zeros((NY, NX), np.int32), np.zeros((NY, NX)), unit="", mask_planes={"BAD": 7}
    )
    flat.mask[2, 3] = 1 << 7
    flat.image[2, 3] = 0.0
    exposure = reduce(raw_frame(), flat=flat).exposure
    assert exposure.plane("BAD").sum() == 1
    assert exposure.plane("BAD")[2, 3]
    assert np.isfinite(exposure.image).all()


def test_masters_are_left_as_they_were() -> None:
    """They come out of a cache that other targets share: their arrays are read-only."""
    bias, flat = master(30.0), master(0.5, unit="")
    for plane in (bias.image, bias.mask, bias.variance, flat.image, flat.mask, flat.variance):
        plane.setflags(write=False)
    reduce(raw_frame(), bias=bias, flat=flat)


def test_the_raw_frame_is_left_as_it_was() -> None:
    raw = raw_frame()
    before = raw.data.copy()
    reduce(raw)
    np.testing.assert_array_equal(raw.data, before)
    assert raw.header["BIASSEC"] == "[9:12,1:6]"


def test_saturated_pixels_are_marked_from_the_headers_level() -> None:
    raw = raw_frame(SATURATE=50000)
    raw.data[1, 2] = 50000
    raw.data[1, 3] = 49999
    assert np.argwhere(reduce(raw).exposure.plane("SAT")).tolist() == [[1, 2]]


def test_a_pixel_without_value_is_marked_and_finite() -> None:
    raw = raw_frame()
    raw.data[4, 5] = np.nan
    exposure = reduce(raw).exposure
    assert np.argwhere(exposure.plane("NO_DATA")).tolist() == [[4, 5]]
    assert np.isfinite(exposure.image).all()
    assert np.isfinite(exposure.variance).all()


def test_the_border_is_marked_edge() -> None:
    edge = reduce(raw_frame(), config={"edge": 2}).exposure.plane("EDGE")
    assert edge.sum() == NY * NX - (NY - 4) * (NX - 4)
    assert not edge[2:-2, 2:-2].any()


def test_trimming_moves_the_world_coordinates() -> None:
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 6.0, "CRPIX2": 3.0}
    raw = raw_frame(**cards, CDELT1=-1e-4, CDELT2=1e-4, TRIMSEC="[3:8,1:6]", CUNIT1="deg", CUNIT2="deg")
    exposure = reduce(raw).exposure
    assert exposure.wcs.wcs.crpix.tolist() == [4.0, 3.0]
    assert "CRPIX1" not in exposure.header, "the card that trimming made untrue is gone"


@pytest.mark.parametrize(
    ("keyword", "cure"),
    [
        ("GAIN", "isr.gain"),
        ("RDNOISE", "isr.readNoise"),
        ("BIASSEC", "doOverscan=false"),
        ("TRIMSEC", "isr.doTrim=false"),
    ],
)
def test_a_missing_keyword_is_named_with_its_cure(keyword: str, cure: str) -> None:
    with pytest.raises(UsageError, match=f"has no {keyword} ") as caught:
        reduce(raw_frame(**{keyword: None}))
    assert cure in str(caught.value)


def test_the_config_stands_in_for_missing_keywords() -> None:
    bare = raw_frame(GAIN=None, RDNOISE=None, BIASSEC=None, TRIMSEC=None)
    config = {"gain": 2.0, "readNoise": 5.0, "overscanSection": "[9:12,1:6]", "trimSection": "[1:8,1:6]"}
    np.testing.assert_allclose(reduce(bare, config=config).exposure.image, 80.0)


def test_the_exposure_time_is_needed_for_a_dark_only() -> None:
    raw = raw_frame(EXPTIME=None)
    reduce(raw)
    with pytest.raises(UsageError, match="has no EXPTIME"):
        reduce(raw, dark=master(1.0, unit="electron / s"))


@pytest.mark.parametrize("value", [0.0, -1.5, "high", "nan"])
def test_a_gain_that_is_no_positive_number_is_refused(value: Any) -> None:
    raw = raw_frame()
    raw.header["GAIN"] = value
    with pytest.raises(UsageError, match=r"GAIN=.*positive number"):
        reduce(raw)


@pytest.mark.parametrize("text", ["[9:13,1:6]", "[0:4,1:6]", "9:12,1:6", "[a:b,1:6]", "[9:12]"])
def test_a_malformed_or_too_large_section_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="BIASSEC"):
        reduce(raw_frame(BIASSEC=text))


def test_a_frame_of_nothing_but_nan_is_refused() -> None:
    raw = raw_frame()
    raw.data[:, :NX] = np.nan
    with pytest.raises(UsageError, match=r"100 % .* not finite .* isr.maxUnusable"):
        reduce(raw)


def test_an_overscan_of_nothing_but_nan_is_refused() -> None:
    raw = raw_frame()
    raw.data[:, NX:] = np.nan
    with pytest.raises(UsageError, match=r"overscan region \[9:12,1:6\] holds no finite pixel"):
        reduce(raw)


def test_a_saturated_frame_is_refused() -> None:
    raw = raw_frame(light=70000.0)
    with pytest.raises(UsageError, match=r"100 % .* saturated"):
        reduce(raw)


def test_a_master_of_another_readout_is_refused() -> None:
    with pytest.raises(UsageError, match=r"bias has \(3, 8\) pixels and the trimmed frame \(6, 8\).*doBias=false"):
        reduce(raw_frame(), bias=master(1.0, shape=(3, 8)))


def test_a_cube_is_refused() -> None:
    with pytest.raises(UsageError, match="3 axes"):
        reduce(CCDData(np.zeros((2, 6, 12)), unit="adu", meta=dict(raw_frame().meta)))


def test_planes_can_be_told_apart() -> None:
    mask = np.zeros((2, 2), np.int32)
    mark(mask, "BAD", np.array([[True, False], [False, False]]))
    mark(mask, "CR", np.array([[True, True], [False, False]]))
    assert has(mask, "BAD").tolist() == [[True, False], [False, False]]
    assert has(mask, "BAD", "CR").tolist() == [[True, True], [False, False]]
    assert not has(mask, "SAT").any()
