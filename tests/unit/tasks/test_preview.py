"""The picture for people: a whole PNG of the size that was asked for, its marks where the sources are."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.preview import STAR, TITLE_HEIGHT, PreviewTask


def draw(reduced: Any, **options: Any) -> Image.Image:
    config = PreviewTask.ConfigClass()
    for name, value in options.items():
        setattr(config, name, value)
    result = reduced.result
    png = PreviewTask(config=config).run(
        result.exposure, result.sources, level=0.0, rms=result.background.rms, title="SIMCAM", subtitle="r  60 s"
    )
    picture = Image.open(io.BytesIO(png))
    picture.load()
    assert picture.format == "PNG"
    return picture


@pytest.mark.parametrize("size", [300, 800])
def test_its_longer_side_is_as_asked(reduced: Any, size: int) -> None:
    picture = draw(reduced, size=size)
    assert picture.width == max(size + 20, 420)
    assert picture.height > size + TITLE_HEIGHT


def test_stars_are_light_on_a_dark_sky_and_circled(reduced: Any) -> None:
    """The first row of the frame is at the bottom of the picture."""
    plain, marked = (np.asarray(draw(reduced, doMarkSources=mark), dtype=float) for mark in (False, True))
    exposure, brightest = reduced.result.exposure, reduced.result.sources[0]
    scale = 800 / exposure.shape[1]
    column = 10 + (brightest["x"] + 0.5) * scale
    row = TITLE_HEIGHT + (exposure.shape[0] - brightest["y"] - 0.5) * scale
    core = plain[int(row), int(column)]
    assert core.min() > 200
    assert np.median(plain[TITLE_HEIGHT : TITLE_HEIGHT + 800, 10:810]) < 60
    changed = np.abs(marked - plain).sum(axis=2)
    around = changed[int(row) - 12 : int(row) + 13, int(column) - 12 : int(column) + 13]
    assert around.max() > 100, "there is a circle around it"
    assert changed[int(row), int(column)] == 0, "and not over it"
    assert np.abs(marked - np.array(STAR)).sum(axis=2).min() < 60


def test_a_frame_without_sources_and_without_noise_is_drawn() -> None:
    from tasks.measure import MeasureTask
    from tasks.planes import PLANES
    from underbutler.butlers import CcdImage

    shape = (64, 64)
    exposure = CcdImage(np.zeros(shape), np.zeros(shape, np.int32), np.ones(shape), unit="electron", mask_planes=PLANES)
    objects = np.zeros(
        0, dtype=[(name, float) for name in ("x", "y", "a", "b", "theta", "peak")] + [("npix", int), ("flag", int)]
    )
    sources = MeasureTask().run(exposure, objects, np.zeros(shape, np.int32)).sources
    png = PreviewTask().run(exposure, sources, level=0.0, rms=0.0, title="t", subtitle="s")
    assert Image.open(io.BytesIO(png)).size == (820, 888)
