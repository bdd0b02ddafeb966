"""Instrument maps and what they read out of a header."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ccdproc
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from underbutler.errors import UsageError
from underbutler.instruments.instrument_map import (
    InstrumentMap,
    choose_map,
    load_instrument_map,
    parse_instrument_map,
    shipped_maps,
)
from underbutler.instruments.observation import next_second, read_observation

REAL_FRAME = Path(ccdproc.__file__).parent / "tests" / "data" / "a8280271.fits"
HEADER = {"INSTRUME": "X", "DATE-OBS": "2026-11-20T20:00:00.5", "EXPTIME": 3, "IMAGETYP": "Object", "N": 7}


def map_of(**tables: Any) -> InstrumentMap:
    base: dict[str, Any] = {"name": "X", "match": {"INSTRUME": "X"}, "observation": {"types": {"object": "science"}}}
    return InstrumentMap.model_validate(base | tables)


def shipped(name: str) -> InstrumentMap:
    return next(one for one in shipped_maps() if one.name == name)


def test_the_real_frame_is_the_exposure_of_its_utc_begin() -> None:
    header = fits.getheader(REAL_FRAME)
    assert choose_map(header, shipped_maps()).name == "STE3"

    seen = read_observation(header, REAL_FRAME.stem, shipped("STE3"))

    assert (seen.instrument, seen.exposure, seen.detector) == ("STE3", 20130713005733, 0)
    assert seen.day_obs == 20130712
    assert (seen.physical_filter, seen.band) == ("48", "unknown")
    assert (seen.observation_type, seen.seconds, seen.target) == ("science", 150.04, "rf0420")
    assert seen.begin.utc.isot == "2013-07-13T00:57:33.000"
    assert (seen.ra, seen.dec) == (331.0334, -0.9253)


def test_the_first_rule_that_gives_an_exposure_id_wins() -> None:
    everything = {"id": "N", "file_name": r"a(\d+)"}
    assert read_observation(HEADER, "a42", map_of(exposure=everything)).exposure == 7
    without_key = {key: value for key, value in HEADER.items() if key != "N"}
    assert read_observation(without_key, "a42", map_of(exposure=everything)).exposure == 42
    assert read_observation(without_key, "b42", map_of(exposure=everything)).exposure == 20261120200000


def test_a_counted_exposure_is_told_from_one_of_the_clock() -> None:
    assert read_observation(HEADER, "a", map_of(exposure={"id": "N"})).is_counted
    assert not read_observation(HEADER, "a", map_of()).is_counted


def test_the_observing_day_is_of_tai_minus_the_sites_offset() -> None:
    """37 s before noon UTC it is noon TAI: a new observing day."""
    for begin, day in (("2026-11-20T11:59:22.9", 20261119), ("2026-11-20T11:59:23.0", 20261120)):
        assert read_observation(HEADER | {"DATE-OBS": begin}, "a", map_of()).day_obs == day
    west = map_of(site_offset_hours=18.0)
    assert read_observation(HEADER | {"DATE-OBS": "2026-11-21T09:00:00"}, "a", west).day_obs == 20261120


def test_every_missing_keyword_is_named_at_once() -> None:
    with pytest.raises(UsageError, match="lacks UT, EXPTIME, GAIN"):
        read_observation({"DATE-OBS": "2026-11-20"}, "a", map_of(exposure={"time": "UT"}, frame={"required": ["GAIN"]}))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"DATE-OBS": "yesterday"}, "'yesterday', which is not a UTC date and time"),
        ({"EXPTIME": -1}, "EXPTIME says -1"),
        ({"EXPTIME": "long"}, "EXPTIME says 'long'"),
        ({"IMAGETYP": "focus"}, "IMAGETYP says 'focus'"),
        ({"N": 1.5}, "N says 1.5, which is not an exposure id"),
        ({"N": -3}, "is not an exposure id"),
        ({"N": True}, "is not an exposure id"),
    ],
)
def test_a_value_that_cannot_be_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_observation(HEADER | change, "a", map_of(exposure={"id": "N"}))


def test_a_filter_is_text_and_a_frame_without_one_has_unknown() -> None:
    with_filter = map_of(observation={"types": {"object": "science"}, "filter": "FILT", "bands": {"3": "i"}})
    assert read_observation(HEADER | {"FILT": 3}, "a", with_filter).physical_filter == "3"
    assert read_observation(HEADER | {"FILT": 3}, "a", with_filter).band == "i"
    assert read_observation(HEADER, "a", with_filter).physical_filter == "unknown"


def test_positions_are_degrees_or_sexagesimal() -> None:
    rule = {"types": {"object": "science"}, "ra": "RA", "dec": "DEC"}
    seen = read_observation(HEADER | {"RA": " 22:04:08", "DEC": "-00:55:31"}, "a", map_of(observation=rule))
    assert seen.ra == pytest.approx(331.033333, abs=1e-6)
    assert seen.dec == pytest.approx(-0.925278, abs=1e-6)
    assert read_observation(HEADER | {"RA": "n/a"}, "a", map_of(observation=rule)).ra is None


def test_an_unknown_instruments_frame_says_how_to_give_a_map() -> None:
    with pytest.raises(UsageError, match=r"INSTRUME='Hyper'.*STE3.*--instrument-map"):
        choose_map({"INSTRUME": "Hyper"}, shipped_maps())


def test_a_map_names_what_is_wrong_in_it(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('name = "X"\n[match]\nINSTRUME="X"\n[exposure]\nfile_name="a\\\\d+"\nfoo=1\n')
    with pytest.raises(UsageError, match=r"my\.toml.*exposure\.file_name.*group.*exposure\.foo"):
        load_instrument_map(file)
    file.write_text("name =")
    with pytest.raises(UsageError, match="is not TOML"):
        load_instrument_map(file)
    with pytest.raises(UsageError, match="cannot be read"):
        load_instrument_map(tmp_path / "none.toml")


def test_a_map_comes_back_from_json() -> None:
    for one in shipped_maps():
        assert InstrumentMap.model_validate(one.to_json()) == one


@given(st.datetimes().filter(lambda instant: instant.year >= 1000))
def test_the_next_second_is_a_later_valid_time(instant: Any) -> None:
    exposure = int(instant.strftime("%Y%m%d%H%M%S"))
    if instant.year < 9999:
        assert next_second(exposure) > exposure
    assert next_second(20131231235959) == 20140101000000


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("frame.gain = 1.5", "frame.gain: names a header keyword, such as 'GAIN', and 1.5 is a value"),
        ("frame.gain = '1.5'", "frame.gain: names a header keyword, and '1.5' is a value"),
        ("exposure.seconds = 30", "exposure.seconds: names a header keyword"),
        ("setup.binning = [2, 2]", "setup.binning.0: names a header keyword"),
        ("frame.gian = 'GAIN'", "frame.gian: there is no such field. Did you mean 'gain'?"),
    ],
)
def test_an_error_tells_a_keyword_from_a_value(line: str, text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)):
        parse_instrument_map(f"name = 'X'\n{line}\n[match]\nINSTRUME = 'X'\n", "x.toml")


def test_the_simulated_camera_knows_the_filter_it_writes() -> None:
    assert [shipped("SIMCAM").band(name) for name in ("r", "R", "g", "Halpha")] == ["r", "r", "g", "unknown"]
