"""Combining frames into masters, and the pixels that masters give away."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.combine import clipped_mean, deviant_pixels, stacked


def test_the_mean_is_the_frames_and_its_variance_a_means() -> None:
    rng = np.random.default_rng(5)
    stack = rng.normal(200.0, 6.0, size=(10, 100, 100)).astype(np.float32)
    mean, variance = clipped_mean(stack, 4.0)
    assert mean.mean() == pytest.approx(200.0, abs=0.1)
    assert mean.std() == pytest.approx(6.0 / np.sqrt(10), rel=0.06)
    assert variance.mean() == pytest.approx(36.0 / 10, rel=0.1)


def test_a_cosmic_ray_in_one_frame_leaves_no_trace() -> None:
    rng = np.random.default_rng(6)
    stack = rng.normal(200.0, 5.0, size=(8, 40, 40)).astype(np.float32)
    stack[3, 10, 10] += 5000.0
    mean, _ = clipped_mean(stack, 4.0)
    assert abs(mean[10, 10] - 200.0) < 10.0


def test_what_is_missing_in_one_frame_is_taken_from_the_others() -> None:
    stack = np.full((4, 6, 6), 9.0, dtype=np.float32)
    stack[1, 2, 2] = np.nan
    mean, variance = clipped_mean(stack, 4.0)
    np.testing.assert_allclose(mean, 9.0)
    assert np.isfinite(variance).all()


def test_what_is_missing_in_all_frames_is_missing_in_the_master() -> None:
    stack = np.full((4, 6, 6), 9.0, dtype=np.float32)
    stack[:, 2, 2] = np.nan
    mean, _ = clipped_mean(stack, 4.0)
    assert np.isnan(mean[2, 2])
    assert deviant_pixels(mean, sigma=5.0)[2, 2]


def test_many_frames_wait_in_a_file_and_give_the_same() -> None:
    frames = [np.full((5, 7), value, dtype=np.float32) for value in (1.0, 2.0, 3.0)]
    here, there = stacked(iter(frames), 3, 10**6), stacked(iter(frames), 3, 10)
    assert isinstance(there, np.memmap)
    assert not isinstance(here, np.memmap)
    np.testing.assert_array_equal(here, there)


def test_frames_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 4\).*\(5, 5\)"):
        stacked(iter([np.zeros((5, 5), np.float32), np.zeros((4, 4), np.float32)]), 2, 10**6)


def test_a_hot_column_is_deviant_and_a_slope_is_not() -> None:
    rng = np.random.default_rng(7)
    master = np.add.outer(np.linspace(0, 50, 80), np.linspace(0, 90, 120)) + rng.normal(0.0, 1.0, (80, 120))
    master[30:, 47] += 60.0
    deviant = deviant_pixels(master.astype(np.float32), sigma=8.0)
    assert deviant[30:, 47].all()
    deviant[30:, 47] = False
    assert deviant.sum() == 0


def test_a_dead_pixel_of_a_flat_is_outside_the_limits() -> None:
    flat = np.ones((20, 30), dtype=np.float32)
    flat[:, 12] = 0.05
    flat[4, 20] = 1.7
    deviant = deviant_pixels(flat, limits=(0.5, 1.5))
    assert deviant[:, 12].all()
    assert deviant[4, 20]
    assert deviant.sum() == 21
