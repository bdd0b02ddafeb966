"""What is wrong with a source stands in its row; what could not be measured is NaN, with a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS

from tasks.flags import blends_of
from tasks.source_table import DESCRIPTIONS
from tests.support.star_frames import StarFrame, reduce_frame, star_frame


@pytest.fixture(scope="module")
def frame() -> StarFrame:
    return star_frame(3.0, None, shape=(256, 256), number=16, seed=2)


@pytest.fixture(scope="module")
def plain(frame: StarFrame) -> Any:
    return reduce_frame(frame.electrons).sources


def holes(frame: StarFrame, half: int, offset: int = 0) -> np.ndarray:
    """Return the frame with a square hole beside or over each of the first eight stars."""
    electrons = frame.electrons.copy()
    for x, y in zip(frame.x[:8], frame.y[:8], strict=True):
        i, j = round(y), round(x) + offset
        electrons[i - half : i + half + 1, j - half : j + half + 1] = np.nan
    return electrons


@pytest.mark.parametrize(("half", "offset"), [(0, 0), (1, 0), (2, 0), (1, 3)])
def test_every_star_over_a_hole_is_flagged(frame: StarFrame, half: int, offset: int) -> None:
    """A hole of a pixel, one over the core, one that leaves only wings, one beside the core."""
    result = reduce_frame(holes(frame, half, offset))
    sources = result.sources
    for number, (x, y) in enumerate(zip(frame.x, frame.y, strict=True)):
        near = np.hypot(sources["x"].value - x, sources["y"].value - y) < 6.0
        assert near.any()
        assert sources["flag_no_data"][near].all() == (number < 8)
    assert result.scalars["n_psf_stars"] <= 8, "they do not show the point-spread function"


def test_every_column_is_there_with_unit_and_meaning(plain: Any) -> None:
    assert list(plain.colnames) == list(DESCRIPTIONS)
    for name, (unit, meaning) in DESCRIPTIONS.items():
        assert plain[name].description.startswith(meaning)
        assert plain[name].unit == unit


def test_without_sky_coordinates_ra_and_dec_are_nan_and_said(plain: Any) -> None:
    assert np.isnan(plain["ra"]).all()
    assert np.isnan(plain["dec"]).all()
    assert plain.meta["ra_not_measured"] == "the frame has no usable celestial world coordinates"
    assert "no usable celestial world coordinates" in plain["ra"].description


def test_an_empty_table_has_all_columns() -> None:
    table = reduce_frame(np.full((96, 96), 250.0)).sources
    assert len(table) == 0
    assert list(table.colnames) == list(DESCRIPTIONS)
    assert table.meta["ra_not_measured"] == "the frame has no usable celestial world coordinates"


def test_the_sky_under_a_source_is_told(plain: Any) -> None:
    np.testing.assert_allclose(plain["background"].value, 130.0, atol=4.0)


def test_the_table_says_of_which_frame_it_is(plain: Any) -> None:
    assert plain.meta["gain_e_per_adu"] == 1.5
    assert plain.meta["read_noise_e"] == 6.0
    assert plain.meta["exposure_time_s"] == 10.0


def test_parts_of_a_blend_name_its_brightest_as_parent(frame: StarFrame) -> None:
    """A second star 7 px beside one: they touch over the threshold."""
    y, x = np.mgrid[0:256, 0:256]
    sigma2 = (3.0 / 2.3548) ** 2
    beside = 2e4 / (2 * np.pi * sigma2) * np.exp(-((x - frame.x[5] - 7) ** 2 + (y - frame.y[5]) ** 2) / (2 * sigma2))
    sources = reduce_frame(frame.electrons + beside, doCosmicRay=False).sources
    pair = np.hypot(sources["x"].value - frame.x[5] - 3.5, sources["y"].value - frame.y[5]) < 6.0
    assert pair.sum() == 2
    assert set(sources["parent"][pair]) == {min(sources["id"][pair])}
    assert (sources["parent"][~pair] == 0).all()


def test_groups_of_touching_sources_are_blends() -> None:
    """Corners touch; the third source stands alone."""
    segments = np.zeros((6, 9), np.int32)
    segments[1:3, 1:3], segments[3:5, 3:5], segments[1:3, 6:8] = 1, 2, 3
    first, second, third = blends_of(segments, 3)
    assert first == second != 0
    assert third == 0


def test_world_coordinates_that_fail_cost_only_themselves(frame: StarFrame) -> None:
    class Lost(WCS):
        def all_pix2world(self, *_: Any, **__: Any) -> Any:
            raise ValueError("no convergence")

    wcs = Lost(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-1e-4, 1e-4]
    from tasks.source_table import source_table

    one = {name: np.array([1.0, 2.0]) for name in ("x", "y", "flux", "flux_error")}
    table = source_table(one, blends=np.zeros(2, np.int32), wcs=wcs, seconds=None, meta={})
    assert np.isnan(table["ra"]).all()
    assert table.meta["mag_inst_not_measured"] == "the exposure time is unknown or 0"
