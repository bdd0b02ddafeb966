"""The picture for people: a whole PNG of the size that was asked for, its marks where the sources are."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from astropy.wcs import WCS
from PIL import Image

from tasks.pictures.marks import STAR
from tasks.pictures.orientation import Orientation, orientation_of
from tasks.preview import TITLE_HEIGHT, PreviewTask
from tests.support.star_frames import reduce_frame
from underbutler.instruments.readout import Readout
from underbutler.pictures.stretch import binned, coarse_enough, shades


def draw(result: Any, which: str = "marked", orientation: Orientation | None = None, **options: Any) -> Image.Image:
    config = PreviewTask.ConfigClass()
    for name, value in options.items():
        setattr(config, name, value)
    pictures = PreviewTask(config=config).run(
        result.exposure, result.sources, title="SIMCAM", lines=["r  60 s"], orientation=orientation
    )
    picture = Image.open(io.BytesIO(getattr(pictures, which)))
    picture.load()
    assert picture.format == "PNG"
    return picture


@pytest.mark.parametrize("size", [300, 800])
def test_its_longer_side_is_as_asked(reduced: Any, size: int) -> None:
    picture = draw(reduced.result, size=size)
    assert picture.width == max(size + 20, 420)
    assert picture.height > size + TITLE_HEIGHT


def test_stars_are_light_on_a_dark_sky_and_ringed(reduced: Any) -> None:
    """The first row of the frame is at the bottom of the picture."""
    plain, marked = (np.asarray(draw(reduced.result, which), dtype=float) for which in ("plain", "marked"))
    exposure, brightest = reduced.result.exposure, reduced.result.sources[0]
    scale = 800 / exposure.shape[1]
    column = 10 + (brightest["x"] + 0.5) * scale
    row = TITLE_HEIGHT + (exposure.shape[0] - brightest["y"] - 0.5) * scale
    core = plain[int(row), int(column)]
    assert core.min() > 200
    assert np.median(plain[TITLE_HEIGHT : TITLE_HEIGHT + 800, 10:810]) < 60
    changed = np.abs(marked - plain).sum(axis=2)
    around = changed[int(row) - 12 : int(row) + 13, int(column) - 12 : int(column) + 13]
    assert around.max() > 100, "there is a ring around it"
    assert changed[int(row), int(column)] == 0, "and not over it"
    assert np.abs(marked - np.array(STAR)).sum(axis=2).min() < 90


def test_rings_may_be_left_out_of_the_marked_picture(reduced: Any) -> None:
    without = np.asarray(draw(reduced.result, doMarkSources=False), dtype=float)[: TITLE_HEIGHT + 800]
    assert np.abs(without - np.array(STAR)).sum(axis=2).min() > 90


def test_a_faint_cluster_shows_over_its_sky() -> None:
    """Light of half a standard deviation of a pixel, spread over many: binning and the sky's noise bring it out."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:1024, 0:1024]
    glow = 0.7 * np.exp(-((x - 512) ** 2 + (y - 512) ** 2) / (2 * 60.0**2))
    image = (20.0 * (rng.standard_normal((1024, 1024)) + glow)).astype(np.float32)
    drawn = shades(binned(image, np.zeros(image.shape, bool), 128), softening=3.0, brightest=99.7)
    middle, corner = drawn[60:68, 60:68].mean(), drawn[:32, :32].mean()
    assert corner < 0.3
    assert middle > corner + 0.3


def test_a_frame_of_faint_light_is_drawn_in_coarser_bins() -> None:
    """A star of 100 sigma needs none; a glow of 1 sigma over 40 px does, and gets bins of 4 px and more."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((512, 512)).astype(np.float32)
    y, x = np.mgrid[0:512, 0:512]
    glow = np.exp(-((x - 256) ** 2 + (y - 256) ** 2) / (2 * 40.0**2)).astype(np.float32)
    stars = noise.copy()
    stars[::16, ::16] += 100.0
    nothing = np.zeros(noise.shape, bool)
    assert coarse_enough(stars, nothing, 256).shape == (256, 256)
    assert coarse_enough(noise + glow, nothing, 256).shape in ((128, 128), (64, 64))


def test_noise_alone_is_not_drawn_as_light() -> None:
    image = np.random.default_rng(3).normal(100.0, 7.0, (256, 256)).astype(np.float32)
    drawn = shades(image, softening=3.0, brightest=99.7)
    assert np.percentile(drawn, 99) < 0.7


def test_bins_are_means_of_what_is_usable() -> None:
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    hole = np.zeros((4, 4), bool)
    hole[0, 0] = hole[2:, 2:] = True
    small = binned(image, hole, 2)
    np.testing.assert_allclose(small, [[(1 + 4 + 5) / 3, 4.5], [10.5, np.nan]], rtol=1e-6)


def test_north_and_east_follow_the_world_coordinates() -> None:
    """A frame turned by 90 degrees: north points to the right, east upwards; 0.5 arcsec a pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 60.0], [50.0, 50.0]
    wcs.wcs.cd = np.array([[0.0, 1.0], [1.0, 0.0]]) * 0.5 / 3600
    found = orientation_of(wcs, (100, 100))
    assert found.scale == pytest.approx(0.5)
    np.testing.assert_allclose(found.north, (1.0, 0.0), atol=1e-3)
    np.testing.assert_allclose(found.east, (0.0, 1.0), atol=1e-3)


def test_without_coordinates_the_map_says_scale_and_north() -> None:
    """The +y axis at a position angle of 90 degrees points east; north is then to the right."""
    readout = Readout(amplifiers=(), shape=(10, 10), pixel_scale=0.3, rotation=90.0, mirrored=False)
    found = orientation_of(None, (10, 10), readout, {"XBINNING": 2, "YBINNING": 2})
    assert found.scale == pytest.approx(0.6)
    np.testing.assert_allclose(found.north, (1.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(found.east, (0.0, 1.0), atol=1e-12)
    assert orientation_of(None, (10, 10)) == Orientation()


def test_arrows_are_drawn_only_where_north_is_known(reduced: Any) -> None:
    without = np.asarray(draw(reduced.result, "plain", Orientation(scale=0.4)), float)
    arrows = np.asarray(draw(reduced.result, "plain", Orientation(scale=0.4, north=(0, 1), east=(-1, 0))), float)
    rows, columns = np.nonzero(np.abs(arrows - without).sum(axis=2))
    assert rows.min() > TITLE_HEIGHT + 700
    assert columns.min() > 700


def test_a_frame_without_sources_and_without_noise_is_drawn() -> None:
    assert draw(reduce_frame(np.full((64, 64), 250.0))).size == (820, TITLE_HEIGHT + 800 + 34)
