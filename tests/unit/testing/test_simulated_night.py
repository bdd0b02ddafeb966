"""The simulated night is what it says: its files, its keywords, its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from underbutler.testing.night import Night, simulate_night


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return simulate_night(
        tmp_path_factory.mktemp("night"), n_bias=2, n_flat=2, n_science=3, n_dark=1, shape=(96, 128), filters=("g", "r")
    )


def test_there_is_one_file_per_exposure_and_detector(night: Night) -> None:
    assert len(night.files) == (2 + 1 + 2 + 3) * 2
    assert all(path.exists() for path in night.files)
    assert len({frame.exposure for frame in night.frames}) == 8
    assert [frame.filter_name for frame in night.of_kind("FLAT", 0)] == ["g", "r"]
    assert [frame.filter_name for frame in night.of_kind("OBJECT", 1)] == ["g", "r", "g"]


def test_a_frame_has_every_keyword_that_its_map_names(night: Night) -> None:
    from underbutler.butlers import load_instrument_map
    from underbutler.instruments.instrument_map import shipped_maps

    assert load_instrument_map is not None
    (simcam,) = [one for one in shipped_maps() if one.name == "SIMCAM"]
    frame = night.of_kind("OBJECT", 1)[0]
    header = fits.getheader(frame.path)
    named = [simcam.exposure.id, simcam.exposure.date, simcam.exposure.seconds, simcam.detector.keyword]
    assert set(named) | set(simcam.frame.required) <= set(header)
    assert header["EXPID"] == frame.exposure
    assert header["DETECTOR"] == 1
    assert header["BIASSEC"] == "[129:160,1:96]"
    assert header["TRIMSEC"] == "[1:128,1:96]"
    assert fits.getdata(frame.path).dtype == np.uint16
    assert fits.getdata(frame.path).shape == (96, 160)


def test_the_same_seed_gives_the_same_files_and_another_others(night: Night, tmp_path: Path) -> None:
    options = {"n_bias": 1, "n_flat": 1, "n_science": 1, "shape": (64, 64)}
    first = simulate_night(tmp_path / "a", seed=5, **options)
    again = simulate_night(tmp_path / "b", seed=5, **options)
    other = simulate_night(tmp_path / "c", seed=6, **options)
    assert [p.read_bytes() for p in first.files] == [p.read_bytes() for p in again.files]
    assert [p.read_bytes() for p in first.files] != [p.read_bytes() for p in other.files]


def test_a_flat_shows_its_gain_by_photon_statistics(tmp_path: Path) -> None:
    """Two flats of one light: half the variance of their difference is mean / gain, and the read noise's."""
    night = simulate_night(tmp_path, n_bias=0, n_flat=2, n_science=0, detectors=(1,), shape=(256, 256))
    first, second = (fits.getdata(path).astype(float) for path in night.files)
    counts = [flat[:, :256] - np.median(flat[:, 256:]) for flat in (first, second)]
    good = night.detectors[1].response > 0.5
    ratio = np.median(counts[0][good]) / np.median(counts[1][good])
    variance = np.var((counts[0] - ratio * counts[1])[good]) / (1 + ratio**2)
    gain = np.median(counts[0][good]) / (variance - (6.0 / 1.7) ** 2)
    assert night.detectors[1].gain == 1.7
    assert gain == pytest.approx(1.7, rel=0.05)


def test_stars_are_where_the_truth_says(night: Night) -> None:
    for frame in night.of_kind("OBJECT"):
        stars = night.stars_of(frame.exposure, frame.detector)
        brightest = stars[np.argmax(stars["flux"])]
        image = fits.getdata(frame.path)[:, :128].astype(float)
        x, y = round(float(brightest["x"])), round(float(brightest["y"]))
        assert image[y - 1 : y + 2, x - 1 : x + 2].mean() > np.median(image) + 100


def test_detectors_see_other_stars_and_exposures_dither_them(night: Night) -> None:
    frames = night.of_kind("OBJECT", 0)
    first, second = (night.stars_of(frame.exposure, 0) for frame in frames[:2])
    other = night.stars_of(frames[0].exposure, 1)
    shift = second["x"] - first["x"]
    assert np.ptp(shift) < 1e-9
    assert abs(shift[0]) > 1e-3
    np.testing.assert_allclose(first["flux"], second["flux"])
    assert not np.allclose(np.sort(first["flux"]), np.sort(other["flux"]))


def test_a_star_has_one_place_on_the_sky_in_every_exposure(night: Night) -> None:
    places = []
    for frame in night.of_kind("OBJECT", 0):
        stars = night.stars_of(frame.exposure, 0)
        places.append(WCS(fits.getheader(frame.path)).all_pix2world(stars["x"], stars["y"], 0))
    np.testing.assert_allclose(places[0], places[1], atol=1e-8)
    np.testing.assert_allclose(places[0], places[2], atol=1e-8)


def test_signal_to_noise_spans_3_to_500(tmp_path: Path) -> None:
    night = simulate_night(tmp_path, n_bias=0, n_flat=0, n_science=1, detectors=(0,), shape=(512, 512))
    assert len(night.stars) >= 60
    assert 2.5 < night.stars["snr"].min() < 8
    assert 250 < night.stars["snr"].max() < 550


def test_progress_counts_files(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate_night(
        tmp_path,
        n_bias=1,
        n_flat=0,
        n_science=1,
        shape=(64, 64),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_detector_too_small_for_stars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 64"):
        simulate_night(tmp_path / "new", shape=(63, 200))
    assert not (tmp_path / "new").exists()
