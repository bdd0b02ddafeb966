"""Gain and read noise from two flats and two biases whose electrons are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from underbutler.errors import UsageError
from underbutler.instruments.photon_transfer import contradicts, photon_transfer

SHAPE = (256, 256)


def frames(gain: float, noise: float, levels: tuple[float, float]) -> Any:
    """Return two flats and two biases in ADU, with vignetting, a hot pixel and a cosmic ray."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    response = 1 - 0.2 * (x**2 + y**2)

    def read(electrons: Any) -> Any:
        return np.round((electrons + noise * rng.standard_normal(SHAPE)) / gain + 1000)

    flats = tuple(read(rng.poisson(level * response)) for level in levels)
    flats[0][10, 10] += 20000
    return flats, tuple(read(np.zeros(SHAPE)) for _ in range(2))


@pytest.mark.parametrize("gain", [0.25, 1.5, 4.0])
def test_the_gain_that_was_put_in_comes_out(gain: float) -> None:
    measured = photon_transfer(*frames(gain, 8.0, (20000.0, 20000.0)))
    assert measured.gain == pytest.approx(gain, rel=0.03)
    assert measured.read_noise == pytest.approx(np.sqrt(8.0**2 + gain**2 / 12), rel=0.03)  # rounding adds to it


def test_a_lamp_that_fades_changes_nothing() -> None:
    assert photon_transfer(*frames(1.5, 8.0, (20000.0, 14000.0))).gain == pytest.approx(1.5, rel=0.03)


def test_flats_without_light_are_refused() -> None:
    _, biases = frames(1.5, 8.0, (20000.0, 20000.0))
    with pytest.raises(UsageError, match="have no light"):
        photon_transfer(biases, biases)


def test_a_factor_of_two_is_a_contradiction() -> None:
    assert contradicts(1.0, 100.0)
    assert contradicts(1.0, 2.0)
    assert not contradicts(1.0, 1.9)
