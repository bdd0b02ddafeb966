"""Dates, angles, filters and sections in the forms that cameras write."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tests.support.camera_frames import camera, cards
from underbutler.errors import UsageError
from underbutler.instruments.header_values import angle_deg, begin_of, filter_name, next_second, value_of
from underbutler.instruments.observation import read_observation
from underbutler.instruments.sections import parse_section


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        ("2013-07-13T00:57:33.5", None, "2013-07-13T00:57:33.500"),
        ("2013-07-13 00:57:33", None, "2013-07-13T00:57:33.000"),
        ("2013-07-13T00:57:33Z", None, "2013-07-13T00:57:33.000"),
        ("2013-07-13T00:57:33+00:00", None, "2013-07-13T00:57:33.000"),
        ("2013-07-13T02:57:33+02:00", None, "2013-07-13T00:57:33.000"),
        ("2013-07-12T19:57:33.25-0500", None, "2013-07-13T00:57:33.250"),
        ("2013/07/13T00:57", None, "2013-07-13T00:57:00.000"),
        ("2013-07-13", None, "2013-07-13T00:00:00.000"),
        ("13/07/13", "00:57:33", "2013-07-13T00:57:33.000"),
        ("13/07/99", "00:57:33", "1999-07-13T00:57:33.000"),
        ("13/07/2013", "0:57:33.5", "2013-07-13T00:57:33.500"),
        ("2013-07-13", "005733", "2013-07-13T00:57:33.000"),
        ("2013-07-13", 0.5, "2013-07-13T00:30:00.000"),
        ("2013-07-13", "23.75", "2013-07-13T23:45:00.000"),
        ("2013-07-13", 3453, "2013-07-13T00:57:33.000"),
        (56486.5, None, "2013-07-13T12:00:00.000"),
        ("56486.5", None, "2013-07-13T12:00:00.000"),
        (2456487.0, None, "2013-07-13T12:00:00.000"),
        ("2016-12-31T23:59:60.5", None, "2016-12-31T23:59:60.500"),
        ("20130713T005733", None, "2013-07-13T00:57:33.000"),
        ("20130713", "00:57:33", "2013-07-13T00:57:33.000"),
        ("13-Jul-2013 00:57:33", None, "2013-07-13T00:57:33.000"),
        ("2013-JULY-13T00:57:33", None, "2013-07-13T00:57:33.000"),
        ("2013-07-13T00:57:33 UTC", None, "2013-07-13T00:57:33.000"),
    ],
)
def test_a_begin_is_read_in_its_many_forms(day: Any, clock: Any, expected: str) -> None:
    assert begin_of(day, clock).utc.isot == expected


@pytest.mark.parametrize(
    ("day", "clock"),
    [
        ("yesterday", None),
        ("31/02/13", None),
        ("2013-13-01", None),
        ("2013-07-13T00:61:00", None),
        ("", None),
        ("13-Jux-2013", None),
        ("13-Jul-13", None),
        (-5.0, None),
        (True, None),
        ("2013-07-13", "25:00:00"),
        ("2013-07-13", 90000),
        ("2013-07-13", "late"),
    ],
)
def test_what_is_not_a_begin_is_refused(day: Any, clock: Any) -> None:
    with pytest.raises(ValueError):
        begin_of(day, clock)


def seen(**changes: Any) -> Any:
    return read_observation(cards(**changes), "frame", camera(exposure={}))


def test_another_standard_keyword_says_the_begin() -> None:
    assert seen(DATE__OBS=None, MJD__OBS=56486.5).exposure == 20130713120000
    assert seen(DATE__OBS="2013-07-13", UT="12:00:00").exposure == 20130713120000
    assert seen(DATE__OBS="2013-07-13", UT=12.0).exposure == 20130713120000
    assert seen(DATE__OBS="2013-07-13", MJD__OBS=56486.5).exposure == 20130713120000
    header = cards()
    header["DATE-OBS"] = fits.card.UNDEFINED
    header["MJD-OBS"] = 56486.5
    assert read_observation(header, "frame", camera(exposure={})).exposure == 20130713120000


def test_a_frame_without_any_begin_says_which_keyword_it_needs() -> None:
    with pytest.raises(UsageError, match="lacks DATE-OBS"):
        seen(DATE__OBS=None)


def test_a_begin_in_tai_is_37_seconds_earlier_in_utc() -> None:
    assert seen(DATE__OBS="2013-07-13T12:00:35", TIMESYS="TAI").exposure == 20130713120000


@pytest.mark.parametrize(
    ("system", "second"),
    [("UTC(NIST)", 52), ("GMT", 52), ("GPS", 36), ("TDT", 43), ("IAT", 15)],
)
def test_the_time_scale_of_the_header_is_heeded(system: str, second: int) -> None:
    """In 2013 TAI was 35 s, GPS 16 s and TT 67.184 s ahead of UTC."""
    clock = {"TDT": "12:01:50.2"}.get(system, "12:00:52" if system != "IAT" else "12:00:50")
    assert seen(DATE__OBS=f"2013-07-13T{clock}", TIMESYS=system).exposure % 100 == second


def test_a_local_time_is_not_taken_for_utc() -> None:
    with pytest.raises(UsageError, match="TIMESYS says LOCAL"):
        seen(TIMESYS="LOCAL")


def test_only_a_bias_needs_no_exposure_time() -> None:
    assert seen(IMAGETYP="bias", EXPTIME=None).seconds == 0.0
    with pytest.raises(UsageError, match="lacks EXPTIME"):
        seen(IMAGETYP="flat", EXPTIME=None)


def test_after_a_leap_second_comes_midnight() -> None:
    assert next_second(20161231235960) == 20170101000000
    assert next_second(20161231235959) == 20170101000000


@pytest.mark.parametrize(
    ("value", "hours", "expected"),
    [
        ("10:00:00", True, 150.0),
        ("10 00 00", True, 150.0),
        ("150.0", True, 150.0),
        (150.0, True, 150.0),
        ("10h00m00s", True, 150.0),
        ("150d", True, 150.0),
        ("-00:30:00", False, -0.5),
        ("-0.5", False, -0.5),
        ("+12.5", False, 12.5),
        ("n/a", True, None),
        (float("nan"), True, None),
        (None, True, None),
        (True, True, None),
        ("999", True, None),
        (-10.0, True, 350.0),
    ],
)
def test_an_angle_as_number_or_text_is_in_degrees(value: Any, hours: bool, expected: float | None) -> None:
    found = angle_deg(value, hours=hours)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_declination_beyond_the_pole_is_not_taken() -> None:
    instrument = camera(observation={"types": {"object": "science"}, "ra": "RA", "dec": "DEC"})
    observed = read_observation(cards(RA="150.5", DEC="95.0"), "frame", instrument)
    assert (observed.ra, observed.dec) == (150.5, None)


@given(st.text(min_size=33, max_size=60), st.text(min_size=33, max_size=60))
def test_two_long_filters_have_two_short_names(one: str, other: str) -> None:
    assert len(filter_name(one)) <= 32
    assert (filter_name(one) == filter_name(other)) == (one == other)


def test_a_short_filter_keeps_its_name() -> None:
    assert filter_name("x" * 32) == "x" * 32


def test_a_card_without_a_value_has_none() -> None:
    header = fits.Header([("A", fits.card.UNDEFINED), ("B", "   "), ("C", 0)])
    assert [value_of(header, key) for key in ("A", "B", "C", "D", None)] == [None, None, 0, None, None]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1:4,2:3]", "[1:4,2:3]"),
        (" [ 1 : 4 , 2 : 3 ] ", "[1:4,2:3]"),
        ("[4:1,3:2]", "[4:1,3:2]"),
        ("[:,2:3]", "[1:8,2:3]"),
        ("[*,-*]", "[1:8,6:1]"),
        ("[3,1.0:6.0]", "[3:3,1:6]"),
        ("[1:4:1,2:3:1]", "[1:4,2:3]"),
        ("[1:4:2,2:3]", None),
        ("[0:4,1:2]", None),
        ("[1:4]", None),
        ("1:4,1:2", None),
        ("[a:b,1:2]", None),
    ],
)
def test_a_section_is_read_as_fits_writes_it(text: str, expected: str | None) -> None:
    found = parse_section(text, (6, 8))
    assert (None if found is None else str(found)) == expected
