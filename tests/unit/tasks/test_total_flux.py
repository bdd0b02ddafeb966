"""Fluxes are all of a star's light: frames of stars whose profiles have wings far beyond any aperture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.star_frames import StarFrame, reduce_frame, star_frame


def matched(frame: StarFrame, sources: Any) -> Any:
    """Return the row of each star's source, in the order of the stars."""
    dx = np.asarray(sources["x"])[np.newaxis] - frame.x[:, np.newaxis]
    dy = np.asarray(sources["y"])[np.newaxis] - frame.y[:, np.newaxis]
    nearest = np.hypot(dx, dy).argmin(axis=1)
    assert np.hypot(dx, dy).min(axis=1).max() < 1.0
    return sources[nearest]


@pytest.mark.parametrize(
    ("beta", "fwhm"), [(2.5, 2.0), (2.5, 4.0), (3.0, 3.0), (3.5, 5.0), (4.5, 2.0), (4.5, 6.0), (None, 2.0), (None, 4.0)]
)
def test_fluxes_are_total_within_half_a_percent(beta: float | None, fwhm: float) -> None:
    """Of a Moffat profile of exponent 2.5, 2 % lie outside of 3 FWHM."""
    frame = star_frame(fwhm, beta)
    result = reduce_frame(frame.electrons)
    ratio = np.asarray(matched(frame, result.sources)["flux"]) / frame.flux
    assert abs(np.median(ratio) - 1.0) < 0.005


@pytest.mark.parametrize("number", [1, 4])
def test_a_few_stars_that_show_it_well_correct_fluxes_too(number: int) -> None:
    """9 % of such a star's light lie outside of the aperture."""
    frame = star_frame(3.0, 3.0, shape=(160, 160), number=number, flux=(2e5, 3e5), seed=3)
    result = reduce_frame(frame.electrons, doCosmicRay=False)
    ratio = np.asarray(matched(frame, result.sources)["flux"]) / frame.flux
    assert abs(np.median(ratio) - 1.0) < 0.015
    assert 0.0 < result.exposure.header["APCORERR"] <= 0.03
    assert result.notes == []


@pytest.fixture(scope="module")
def many() -> tuple[StarFrame, Any]:
    """Stars of S/N 30 to 300: errors are small against a pixel and far from nothing."""
    frame = star_frame(3.0, 3.5, number=225, flux=(3e3, 1e5), seed=4)
    return frame, reduce_frame(frame.electrons)


def test_the_background_is_the_mean_of_the_sky(many: tuple[StarFrame, Any]) -> None:
    """A mode lies 0.3 e- under the mean of such a sky; counts of 1.5 e- would make it jump."""
    assert many[1].scalars["background_e"] == pytest.approx(130.0, abs=0.15)


def test_centroid_errors_are_those_of_the_scatter(many: tuple[StarFrame, Any]) -> None:
    frame, result = many
    sources = matched(frame, result.sources)
    for axis in ("x", "y"):
        pull = (np.asarray(sources[axis]) - getattr(frame, axis)) / np.asarray(sources[f"{axis}_error"])
        assert 0.8 < np.std(pull) < 1.25


def test_round_stars_of_a_width_are_measured_as_such(many: tuple[StarFrame, Any]) -> None:
    sources = matched(many[0], many[1].sources)
    assert np.median(sources["fwhm"]) == pytest.approx(3.2, abs=0.2)
    assert np.median(sources["ellipticity"]) < 0.05
    assert np.std(sources["extendedness"]) == pytest.approx(1.0, abs=0.4)
    assert abs(np.median(sources["extendedness"])) < 0.3


def test_magnitudes_are_of_electrons_per_second(many: tuple[StarFrame, Any]) -> None:
    """10 s: 1e4 electrons are 1000 a second, -7.5 mag; an error of 1 % is one of 0.0109 mag."""
    sources = many[1].sources
    np.testing.assert_allclose(sources["mag_inst"], -7.5 - 2.5 * np.log10(sources["flux"].value / 1e4), atol=1e-6)
    np.testing.assert_allclose(sources["mag_inst_error"], 1.0857 * sources["flux_error"] / sources["flux"], rtol=1e-3)


def test_a_wide_source_is_told_from_stars(many: tuple[StarFrame, Any]) -> None:
    frame = many[0]
    y, x = np.mgrid[0:512, 0:512]
    place = (250.0, 262.0)
    galaxy = 2000.0 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2.0 * 3.0**2))
    sources = reduce_frame(frame.electrons + galaxy).sources
    nearest = np.hypot(sources["x"].value - place[0], sources["y"].value - place[1]).argmin()
    assert sources["extendedness"][nearest] > 5.0
    assert sources["fwhm"][nearest] == pytest.approx(7.06, rel=0.1)  # 2.3548 of its sigma
