"""The raw frame that the ccdproc wheel carries: SAAO 1.0 m, STE3 CCD, 2013-07-13; no bias or flat exists for it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import sep

from tasks.process_ccd import ProcessCcdTask
from underbutler.butlers.raw_frames import read_raw_frame


def process(**options: Any) -> Any:
    config = ProcessCcdTask.ConfigClass()
    config.doBias = config.doFlat = False
    config.detect.threshold = 3.0
    for name, value in options.items():
        setattr(config, name, value)
    with files("ccdproc").joinpath("tests/data/a8280271.fits").open("rb") as file:
        return ProcessCcdTask(config=config).run(read_raw_frame(file))


@pytest.fixture(scope="module")
def cleaned() -> Any:
    return process()


def test_its_overscan_is_at_214_adu(cleaned: Any) -> None:
    assert cleaned.scalars["overscan_adu"] == pytest.approx(214, abs=3)


def test_its_read_noise_is_near_what_the_header_says(cleaned: Any) -> None:
    assert cleaned.scalars["read_noise_e"] == pytest.approx(5.0, abs=1.0)


def test_its_background_scatters_by_13_7_electrons(cleaned: Any) -> None:
    assert cleaned.scalars["background_rms_e"] == pytest.approx(13.7, abs=0.5)


def test_100_to_250_of_its_pixels_are_hit_by_cosmic_rays(cleaned: Any) -> None:
    assert 100 <= cleaned.scalars["n_cosmic_ray_pixels"] <= 250
    assert np.count_nonzero(cleaned.exposure.plane("CR")) == cleaned.scalars["n_cosmic_ray_pixels"]


def test_4_to_10_detections_remain_with_the_two_bright_stars(cleaned: Any) -> None:
    sources = cleaned.sources
    assert 4 <= len(sources) <= 10
    for x, y in ((434.9, 433.6), (153.3, 38.2)):
        near = np.hypot(sources["x"].value - x, sources["y"].value - y) < 3
        assert near.sum() == 1
        assert sources["snr"][near][0] > 200
    assert set(sources["id"][:2]) == {1, 2}
    assert {round(float(x) / 100) for x in sources["x"][:2]} == {2, 4}, "they are the brightest"


def test_before_cleaning_23_detections_are_mostly_cosmic_rays(cleaned: Any) -> None:
    dirty = process(doCosmicRay=False)
    assert len(dirty.sources) >= 18
    assert dirty.scalars["n_cosmic_rays"] == 0
    stars = np.array([(s["x"], s["y"]) for s in cleaned.sources])
    alone = [s for s in dirty.sources if np.min(np.hypot(stars[:, 0] - s["x"], stars[:, 1] - s["y"])) > 5]
    assert len(alone) >= 10


def test_it_is_trimmed_to_512_columns_and_is_in_electrons(cleaned: Any) -> None:
    assert cleaned.exposure.shape == (520, 512)
    assert cleaned.exposure.unit == "electron"
    assert cleaned.exposure.header["RAWGAIN"] == 1.9
    assert "BIASSEC" not in cleaned.exposure.header


def test_the_sky_may_stay_in_the_image_with_the_same_sources(cleaned: Any) -> None:
    with_sky = process(doBackground=False)
    assert np.median(with_sky.exposure.image) == pytest.approx(163, abs=3)
    assert abs(np.median(cleaned.exposure.image)) < 3
    np.testing.assert_allclose(with_sky.sources["flux"], cleaned.sources["flux"])


def test_it_is_what_sep_finds_in_the_same_image(cleaned: Any) -> None:
    """An independent call of the library on the finished image gives the same sources."""
    image = np.ascontiguousarray(cleaned.exposure.image)
    rms = cleaned.scalars["background_rms_e"]
    assert len(sep.extract(image, 3.0, err=rms, minarea=5)) == len(cleaned.sources)
