"""Frames so full of stars that sep's fixed limits do not hold them: the limits are raised."""

from __future__ import annotations

import numpy as np
import pytest
import sep
from scipy.ndimage import gaussian_filter

from tasks import extraction
from tasks.extraction import NoRoomError, extract_with_room
from tasks.psf import fwhm_in_a_crowd
from tests.support.star_frames import READ_NOISE_E, SKY_E, reduce_frame


def crowded(side: int, number: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    image = np.zeros((side, side))
    np.add.at(image, tuple(rng.integers(8, side - 8, (2, number))), np.exp(rng.uniform(5.0, 11.0, number)))
    scene = gaussian_filter(image, 1.27) + SKY_E
    return rng.poisson(scene) + READ_NOISE_E * rng.standard_normal(scene.shape)


def test_a_crowd_is_taken_apart_and_shows_its_width() -> None:
    """Stars of sigma 1.27 px, one on every 14 pixels: no star has 0.5 % of a blend that is the whole frame."""
    result = reduce_frame(crowded(128, 1200), doCosmicRay=False)
    assert len(result.sources) > 100
    assert np.isfinite(result.sources["flux"]).all()
    assert result.scalars["fwhm_px"] == pytest.approx(2.3548 * 1.27, rel=0.1)


def test_fluxes_that_are_not_corrected_are_said_to_be() -> None:
    result = reduce_frame(crowded(128, 4000), doCosmicRay=False)
    assert "not corrected to all light" in result.notes[0]
    assert result.exposure.header["UBNOTE1"] == result.sources.meta["note_1"] == result.notes[0]
    assert "not corrected" in result.sources["flux"].description
    assert "APCORERR" not in result.exposure.header


def test_cores_show_the_width_of_stars_without_a_gap() -> None:
    """A lattice of Gaussians of FWHM 3 px, 7 px apart, on light of stars that are too faint to be seen."""
    y, x = np.mgrid[0:64, 0:64]
    places = np.arange(7.0, 60.0, 7.0)
    image = sum(np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * (3.0 / 2.3548) ** 2)) for a in places for b in places)
    centres = np.array([(a, b) for a in places[1:-1] for b in places[1:-1]])
    flux = np.full(len(centres), 10.0)
    fwhm = fwhm_in_a_crowd(1000.0 * np.asarray(image, np.float32) + 200.0, *centres.T, 1000.0 * flux, 3.6)
    assert fwhm == pytest.approx(3.0, rel=0.05)


def test_a_blend_of_more_parts_than_the_limit_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """sep gives up at a number of parts that is set beforehand."""
    image = (crowded(160, 2000) - SKY_E).astype(np.float32)
    monkeypatch.setattr(extraction, "PARTS_AT_FIRST", 8)
    objects, segments = extract_with_room(image, 1.5, err=13.0, deblend_cont=1e-4)
    assert sep.get_sub_object_limit() > 8
    assert segments.max() == len(objects) > 20


def test_more_pixels_than_the_buffer_holds_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(4).normal(0.0, 5.0, (256, 256)).astype(np.float32)
    monkeypatch.setattr(extraction, "PIXELS_AT_FIRST", 1000)
    objects, _ = extract_with_room(image, 0.01, err=5.0, deblend_cont=1.0)
    assert len(objects) > 0
    with pytest.raises(NoRoomError, match="pixel buffer full"):
        extract_with_room(image, 0.01, max_pixels=1000, err=5.0)
