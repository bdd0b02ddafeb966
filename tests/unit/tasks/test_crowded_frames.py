"""Frames so full of stars that sep's fixed limits do not hold them: the limits are raised."""

from __future__ import annotations

import numpy as np
import pytest
import sep
from scipy.ndimage import gaussian_filter

from tasks import extraction
from tasks.extraction import NoRoomError, extract_with_room
from tests.support.star_frames import READ_NOISE_E, SKY_E, reduce_frame


def crowded(side: int, number: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    image = np.zeros((side, side))
    np.add.at(image, tuple(rng.integers(8, side - 8, (2, number))), np.exp(rng.uniform(5.0, 11.0, number)))
    scene = gaussian_filter(image, 1.27) + SKY_E
    return rng.poisson(scene) + READ_NOISE_E * rng.standard_normal(scene.shape)


def test_stars_on_every_14_pixels_gives_a_source_table() -> None:
    result = reduce_frame(crowded(128, 1200), doCosmicRay=False)
    assert len(result.sources) > 20
    assert np.isfinite(result.sources["flux"]).all()


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
