"""The simulated night's truth against what the tasks measure: full-size frames, masters of the same night."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

MATCH_PX = 2.0


@pytest.fixture(scope="module")
def matched(reduced: Any) -> Any:
    """Every true star of S/N over 10: its distance to the nearest source, and that source's row."""
    stars, sources = reduced.truth, reduced.result.sources
    bright = stars[stars["snr"] > 10]
    dx = sources["x"].value[np.newaxis, :] - bright["x"].value[:, np.newaxis]
    dy = sources["y"].value[np.newaxis, :] - bright["y"].value[:, np.newaxis]
    nearest = np.hypot(dx, dy).argmin(axis=1)
    rows = np.arange(len(bright))
    distance = np.hypot(dx, dy)[rows, nearest]
    found = distance < MATCH_PX
    return bright[found], sources[nearest[found]], dx[rows, nearest][found], dy[rows, nearest][found], found


def test_95_percent_of_stars_over_signal_to_noise_10_are_found(matched: Any) -> None:
    found = matched[-1]
    assert len(found) > 150
    assert found.mean() >= 0.95


def test_fluxes_are_right_to_1_percent_in_the_median(matched: Any) -> None:
    stars, sources, *_ = matched
    ratio = sources["flux"].value / stars["flux"].value
    assert abs(np.median(ratio) - 1) < 0.01


def test_kron_fluxes_lose_the_few_percent_that_kron_radii_lose(matched: Any) -> None:
    stars, sources, *_ = matched
    ratio = sources["flux_kron"].value / stars["flux"].value
    assert -0.06 < np.median(ratio) - 1 < 0.01


def test_centroids_scatter_by_less_than_a_tenth_of_a_pixel(matched: Any) -> None:
    _, _, dx, dy, _ = matched
    assert np.sqrt(np.mean(dx**2)) < 0.1
    assert np.sqrt(np.mean(dy**2)) < 0.1
    assert abs(np.mean(dx)) < 0.02
    assert abs(np.mean(dy)) < 0.02


def test_flux_errors_are_those_of_the_scatter(matched: Any) -> None:
    """Deviations in units of their own error are normal: a robust width of 1, within its sampling error."""
    stars, sources, *_ = matched
    pull = (sources["flux"].value - stars["flux"].value) / sources["flux_error"].value
    width = 1.4826 * np.median(np.abs(pull - np.median(pull)))
    assert 0.8 < width < 1.3


def test_no_star_is_made_by_a_bad_column(reduced: Any) -> None:
    """A source on a bad column is one of the true stars."""
    sources, stars = reduced.result.sources, reduced.truth
    columns = np.array(reduced.night.detectors[reduced.detector].bad_columns)
    on_column = np.min(np.abs(sources["x"].value[:, np.newaxis] - columns), axis=1) < 3
    for source in sources[on_column]:
        distance = np.hypot(stars["x"].value - source["x"], stars["y"].value - source["y"])
        assert distance.min() < 3, f"source at {source['x']:.1f}, {source['y']:.1f} is not a star"


def test_without_calibrations_the_same_columns_make_stars(reduced: Any) -> None:
    """The test above can fail: a hot column that nothing masks is a detection, and swallows stars that it crosses."""
    from tasks.process_ccd import ProcessCcdTask
    from underbutler.butlers.raw_frames import read_raw_frame

    (science,) = reduced.night.of_kind("OBJECT")
    config = ProcessCcdTask.ConfigClass()
    config.doCosmicRay = False
    sources = ProcessCcdTask(config=config).run(read_raw_frame(science.path)).sources
    columns = np.array(reduced.night.detectors[reduced.detector].bad_columns)
    on_column = np.min(np.abs(sources["x"].value[:, np.newaxis] - columns), axis=1) < 3
    stars = reduced.truth
    distance = np.hypot(
        stars["x"].value[np.newaxis] - sources["x"].value[:, np.newaxis],
        stars["y"].value[np.newaxis] - sources["y"].value[:, np.newaxis],
    ).min(axis=1)
    assert np.count_nonzero(on_column & (distance > 3)) >= 1


def test_what_is_no_star_is_rare(reduced: Any) -> None:
    """Of unflagged sources at most 2 in 100 are neither star nor part of one."""
    sources, stars = reduced.result.sources, reduced.truth
    clean = sources[~(sources["flag_edge"] | sources["flag_cosmic_ray"] | sources["flag_bad"])]
    distance = np.hypot(
        stars["x"].value[np.newaxis] - clean["x"].value[:, np.newaxis],
        stars["y"].value[np.newaxis] - clean["y"].value[:, np.newaxis],
    ).min(axis=1)
    assert np.count_nonzero(distance > 3) <= 0.02 * len(clean)


def test_numbers_of_the_frame_are_those_it_was_drawn_with(reduced: Any) -> None:
    scalars = reduced.result.scalars
    assert scalars["fwhm_px"] == pytest.approx(3.0, abs=0.05)
    assert scalars["read_noise_e"] == pytest.approx(6.0, abs=0.15)
    assert scalars["background_e"] == pytest.approx(131.2, abs=1.0)  # 130 e- of sky, 1.2 e- of dark current
    assert scalars["background_rms_e"] == pytest.approx(np.sqrt(131.2 + 36.0), rel=0.03)
    assert scalars["overscan_adu"] == pytest.approx(1003, abs=2)
    assert scalars["n_cosmic_rays"] > 30


def test_every_bad_column_is_in_the_masters_and_in_the_result(reduced: Any) -> None:
    columns = list(reduced.night.detectors[reduced.detector].bad_columns)
    bad = reduced.result.exposure.plane("BAD")
    share = bad.mean(axis=0)
    assert (share[columns] > 0.4).all()
    assert share[[c for c in range(share.size) if c not in columns]].max() < 0.02
    hot = reduced.bias.plane("BAD").mean(axis=0) > 0.4
    assert 1 <= hot.sum() < len(columns), "the bias shows hot columns, not dead ones"


def test_the_flat_is_the_detectors_response(reduced: Any) -> None:
    response = reduced.night.detectors[reduced.detector].response
    good = ~reduced.flat.plane("BAD")
    ratio = reduced.flat.image[good] / response[good]
    assert np.median(reduced.flat.image[good]) == pytest.approx(1.0, abs=1e-4)
    assert np.std(ratio) == pytest.approx(1 / np.sqrt(6 * 22000), rel=0.15)  # 6 frames of 22 000 electrons


def test_variances_are_those_of_the_pixels(reduced: Any) -> None:
    """Sky pixels scatter by what the variance plane says."""
    exposure = reduced.result.exposure
    blank = exposure.mask == 0
    pull = exposure.image[blank] / np.sqrt(exposure.variance[blank])
    assert 1.4826 * np.median(np.abs(pull - np.median(pull))) == pytest.approx(1.0, abs=0.03)


def test_positions_on_the_sky_follow_the_world_coordinates(reduced: Any) -> None:
    sources = reduced.result.sources
    x, y = reduced.result.exposure.wcs.all_world2pix(sources["ra"], sources["dec"], 0)
    np.testing.assert_allclose(x, sources["x"], atol=1e-4)
    np.testing.assert_allclose(y, sources["y"], atol=1e-4)
    assert sources["flux"].unit == "electron"
    assert list(sources["id"]) == list(range(1, len(sources) + 1))
    assert (np.diff(sources["flux"]) <= 0).all(), "brightest first"
