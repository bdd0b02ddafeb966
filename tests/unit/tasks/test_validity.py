"""Times over which a master is certified: what is read, what is refused."""

from __future__ import annotations

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from lsst.daf.butler import Timespan

from tasks.validity import days_covered, parse_validity, validity_text
from underbutler.errors import UsageError


def test_dates_are_midnights_of_tai() -> None:
    span = parse_validity("2026-11-20..2026-12-01")
    assert span.begin == Time("2026-11-20T00:00:00", scale="tai")
    assert span.end == Time("2026-12-01T00:00:00", scale="tai")


def test_an_end_may_be_left_out() -> None:
    assert parse_validity("2026-11-20T12:00:00..").end is None
    assert parse_validity("..2026-11-20").begin is None


@pytest.mark.parametrize("text", ["", "..", "2026-11-20", "today..tomorrow", "2026-13-01..2026-14-01", "a..b..c"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--validity"):
        parse_validity(text)


@pytest.mark.parametrize("text", ["2026-12-01..2026-11-20", "2026-11-20..2026-11-20"])
def test_a_range_that_ends_before_it_begins_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="ends before it begins"):
        parse_validity(text)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_text_and_timespan_are_the_same(begin: int, length: int) -> None:
    span = Timespan(Time(begin, format="unix_tai", scale="tai"), Time(begin + length, format="unix_tai", scale="tai"))
    assert parse_validity(validity_text(span)) == span


def test_two_days_cover_from_the_first_noon_to_the_last() -> None:
    days = [parse_validity("2026-11-21T12:00..2026-11-22T12:00"), parse_validity("2026-11-19T12:00..2026-11-20T12:00")]
    assert validity_text(days_covered(days)) == "2026-11-19T12:00:00..2026-11-22T12:00:00"
