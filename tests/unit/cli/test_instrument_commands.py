"""The commands that describe a camera: what they print of simulated frames, and when they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from click.testing import CliRunner, Result

from underbutler.cli.instrument.commands import instrument
from underbutler.errors import UsageError
from underbutler.instruments.instrument_map import parse_instrument_map
from underbutler.testing.night import Night, simulate_night
from underbutler.testing.simulated_detector import READ_NOISE_E


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return simulate_night(
        tmp_path_factory.mktemp("night"), n_bias=2, n_flat=2, n_science=1, detectors=(1,), shape=(160, 192)
    )


def called(*words: object) -> Result:
    return CliRunner().invoke(instrument, [str(word) for word in words], catch_exceptions=False)


def changed(source: Path, target: Path, **cards: Any) -> Path:
    """Copy a frame with other cards; None takes one away."""
    header = fits.getheader(source)
    for keyword, value in cards.items():
        if value is None:
            del header[keyword]
        else:
            header[keyword] = value
    fits.PrimaryHDU(fits.getdata(source), header).writeto(target)
    return target


def test_the_shipped_maps_are_listed_and_shown() -> None:
    rows = json.loads(called("list", "--format", "json").stdout)
    assert {"SIMCAM", "STE3", "ORION", "MAXIM", "NINA", "INDI", "SHARPCAP"} <= {row["name"] for row in rows}
    for row in rows:
        assert parse_instrument_map(called("show", row["name"]).stdout, row["name"]).name == row["name"]


def test_what_is_read_of_a_frame_is_printed(night: Night) -> None:
    science = night.of_kind("OBJECT")[0]
    result = called("check", "SIMCAM", science.path)
    assert result.exit_code == 0
    for words in (
        f"exposure    {science.exposure}",
        "60 s",
        "science",
        "filter      r, band r",
        "160 rows x 192 columns",
    ):
        assert words in result.stdout
    assert f"read noise {READ_NOISE_E:g} e-" in result.stdout


def test_everything_that_is_missing_is_told(night: Night, tmp_path: Path) -> None:
    bare = changed(night.files[0], tmp_path / "bare.fits", GAIN=None, RDNOISE=None)
    result = called("check", "SIMCAM", bare, tmp_path / "none.fits", night.files[1])
    assert result.exit_code == 2
    assert "lacks GAIN, RDNOISE" in result.stdout
    assert "has no GAIN (gain in e-/ADU)" in result.stdout
    assert "none.fits cannot be read" in result.stdout
    assert "1 of 3 can be ingested and reduced" in result.stdout


def test_a_gain_without_egain_is_called_a_setting(night: Night, tmp_path: Path) -> None:
    silent = tmp_path / "silent.toml"
    silent.write_text('name = "S"\n[match]\nINSTRUME = "SIMCAM"\n[observation.types]\nbias = "bias"\n')
    assert "is a setting of the driver, as far as the map tells" in called("check", silent, night.files[0]).stdout
    silent.write_text(silent.read_text() + '[frame]\ngain = "GAIN"\n')
    assert "setting of the driver" not in called("check", silent, night.files[0]).stdout


def test_a_draft_is_a_map_that_reads_its_frames(night: Night, tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    named = [night.of_kind(kind)[0].path for kind in ("BIAS", "FLAT", "OBJECT")]
    result = called("new", *named, "-o", out)
    assert result.exit_code == 0
    assert "site_offset_hours" in result.stderr, "the one thing that these headers do not tell"
    assert called("check", out, *named).exit_code == 0
    assert 'id = "EXPID"    # guessed' in out.read_text()
    with pytest.raises(UsageError, match="exists"):
        called("new", *named, "-o", out)


def test_what_cannot_be_guessed_is_a_question(night: Night, tmp_path: Path) -> None:
    frame = changed(night.files[-1], tmp_path / "x.fits", GAIN=100, RDNOISE=None, IMAGETYP="focus", FILTER="Clear")
    result = called("new", frame)
    for question in (
        "GAIN = 100 looks like the driver's setting",
        "'focus'",
        "'Clear'",
        "read noise in e-",
        "bias and",
    ):
        assert question in result.stderr
    for line in ('# ? "focus" = "science"', "# ? gain = 1.0", "# doBias = false"):
        assert line in result.stdout
    assert parse_instrument_map(result.stdout, "draft").name == "SIMCAM", "unanswered it is a map all the same"


def test_gain_and_read_noise_come_from_two_flats_and_two_biases(night: Night) -> None:
    words: list[object] = ["measure", "--format", "json"]
    for kind in ("FLAT", "BIAS"):
        words += [f"--{kind.lower()}", *(frame.path for frame in night.of_kind(kind))]
    (row,) = json.loads(called(*words).stdout)
    assert row["gain"] == pytest.approx(night.detectors[1].gain, rel=0.05)
    assert row["read_noise"] == pytest.approx(READ_NOISE_E, rel=0.06)
    assert row["warning"] == ""


def test_a_gain_that_the_frames_contradict_is_a_warning(night: Night, tmp_path: Path) -> None:
    files = {kind: [frame.path for frame in night.of_kind(kind)] for kind in ("FLAT", "BIAS")}
    flats = [changed(file, tmp_path / file.name, GAIN=100.0) for file in files["FLAT"]]
    result = called("measure", "--flat", *flats, "--bias", *files["BIAS"])
    assert result.exit_code == 0
    assert "say a gain of 100 e-/ADU" in result.stderr
