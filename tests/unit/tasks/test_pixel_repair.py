"""Bad pixels are bridged, cosmic rays replaced; what they touch stays what it was."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.planes import PLANES, mark
from tasks.repair import CosmicRayTask, bridge
from underbutler.butlers import CcdImage


def image_of(values: np.ndarray, variance: float = 100.0) -> CcdImage:
    return CcdImage(
        values, np.zeros(values.shape, np.int32), np.full(values.shape, variance), unit="electron", mask_planes=PLANES
    )


def test_a_bad_pixel_gets_the_line_between_its_neighbours() -> None:
    exposure = image_of(np.tile([0.0, 10.0, 999.0, 999.0, 40.0], (3, 1)))
    bad = np.zeros((3, 5), bool)
    bad[:, 2:4] = True
    mark(exposure.mask, "BAD", bad)
    assert bridge(exposure) == 6
    np.testing.assert_allclose(exposure.image, np.tile([0.0, 10.0, 20.0, 30.0, 40.0], (3, 1)))
    np.testing.assert_array_equal(exposure.plane("INTRP"), bad)


def test_a_bad_column_at_the_border_gets_its_only_neighbour() -> None:
    exposure = image_of(np.tile([999.0, 7.0, 8.0], (2, 1)))
    mark(exposure.mask, "BAD", np.tile([True, False, False], (2, 1)))
    bridge(exposure)
    np.testing.assert_allclose(exposure.image[:, 0], 7.0)


def test_a_row_without_a_good_pixel_is_said_to_hold_nothing() -> None:
    exposure = image_of(np.arange(6.0).reshape(2, 3))
    mark(exposure.mask, "BAD", np.array([[True, True, True], [False, False, False]]))
    assert bridge(exposure) == 0
    assert exposure.plane("NO_DATA").tolist() == [[True] * 3, [False] * 3]


def sky_with_star(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:80, 0:80]
    star = 4000.0 * np.exp(-((x - 40) ** 2 + (y - 40) ** 2) / (2 * 1.5**2))
    return rng.poisson(100.0 + star) + rng.normal(0.0, 5.0, size=x.shape)


def test_a_cosmic_ray_is_replaced_and_the_star_beside_it_is_not() -> None:
    clean = sky_with_star(np.random.default_rng(1))
    hit = clean.copy()
    hit[20, 20:24] += 2500.0
    exposure = image_of(hit)
    result = CosmicRayTask().run(exposure, 5.0)
    assert exposure.plane("CR")[20, 20:24].all()
    assert abs(exposure.image[20, 20:24].mean() - 100.0) < 25.0
    np.testing.assert_allclose(exposure.image[36:45, 36:45], clean[36:45, 36:45].astype(np.float32))
    assert result.n_cosmic_rays >= 1
    assert result.n_cosmic_ray_pixels == exposure.plane("CR").sum()


@pytest.mark.parametrize("beside", [29, 31])
def test_a_cosmic_ray_beside_a_bad_column_is_found(beside: int) -> None:
    """Bridged first, the column would take half of its value and make a star of it."""
    values = np.random.default_rng(2).normal(100.0, 11.0, size=(80, 80))
    values[:, 30] = 5.0
    values[50:52, beside] += 2200.0
    exposure = image_of(values)
    mark(exposure.mask, "BAD", np.arange(80)[np.newaxis, :] == np.full((80, 1), 30))
    CosmicRayTask().run(exposure, 5.0)
    bridge(exposure)
    assert exposure.plane("CR")[50:52, beside].all()
    assert exposure.image[48:54, 28:33].max() < 200.0
