"""When an entry is due: by the clock of a time zone, by the sun, at night; the same whoever asks, and whenever."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from underbutler.errors import UsageError
from underbutler.schedules.clocks import Clock, clock_of
from underbutler.schedules.entries import Definition, Site
from underbutler.schedules.sun import Sun

CAMPANAS = {"latitude": -29.0146, "longitude": -70.6926, "time_zone": "America/Santiago"}
SVALBARD = {"latitude": 78.22, "longitude": 15.65, "time_zone": "Arctic/Longyearbyen"}
POLE = {"latitude": -90.0, "longitude": 0.0, "time_zone": "Antarctica/McMurdo"}
BERLIN = {"latitude": 52.5, "longitude": 13.4, "time_zone": "Europe/Berlin"}
DAY = 86400


def clock(site: dict[str, Any] = CAMPANAS, **when: Any) -> Clock:
    return clock_of(Definition.model_validate({"name": "x", "task": "t", "repo": "r", "when": when, "site": site}))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def slots(of: Clock, begin: str, end: str) -> list[str]:
    found, moment = [], at(begin)
    while (due := of.due_after(moment)) is not None and due <= at(end):
        found.append(datetime.fromtimestamp(due, UTC).isoformat()[:16])
        moment = due
    return found


def test_a_crontab_goes_by_the_clock_on_the_wall_of_the_site() -> None:
    assert slots(clock(crontab="0 17 * * *"), "2026-06-01", "2026-06-02") == ["2026-06-01T21:00"]
    assert slots(clock(crontab="0 17 * * *"), "2026-12-01", "2026-12-02") == ["2026-12-01T20:00"]


def test_skipped_and_repeated_clock_times_come_once() -> None:
    """Berlin 2026: 02:00 becomes 03:00 on 29 March, 03:00 becomes 02:00 on 25 October."""
    half_past_two = clock(BERLIN, crontab="30 2 * * *")
    assert slots(half_past_two, "2026-03-28", "2026-03-31") == [
        "2026-03-28T01:30",
        "2026-03-29T01:30",
        "2026-03-30T00:30",
    ]
    assert slots(half_past_two, "2026-10-24", "2026-10-27") == [
        "2026-10-24T00:30",
        "2026-10-25T00:30",
        "2026-10-26T01:30",
    ]


def test_each_hour_is_each_hour_also_when_the_clocks_change() -> None:
    hourly = clock(BERLIN, crontab="15 * * * *")
    for night in ("2026-03-28T22:00", "2026-10-24T22:00"):
        begin = at(night)
        found = slots(hourly, night, datetime.fromtimestamp(begin + 6 * 3600, UTC).isoformat()[:16])
        assert found == [datetime.fromtimestamp(begin + 900 + n * 3600, UTC).isoformat()[:16] for n in range(6)]


def test_clocks_that_are_put_forward_by_half_an_hour() -> None:
    """On Lord Howe Island two o'clock of 4 October 2026 becomes half past two: a quarter past two does not exist."""
    howe = {"latitude": -31.55, "longitude": 159.08, "time_zone": "Australia/Lord_Howe"}
    begin, end = "2026-10-03T14:00", "2026-10-03T17:00"
    assert slots(clock(howe, crontab="15 * * * *"), begin, end) == ["2026-10-03T14:45", "2026-10-03T16:15"]
    assert slots(clock(howe, crontab="15 2 * * *"), begin, end) == ["2026-10-03T15:45"]


def test_midnight_that_does_not_exist_comes_an_hour_later() -> None:
    """In Chile midnight of 6 September 2026 becomes one o'clock."""
    assert slots(clock(crontab="0 0 * * *"), "2026-09-05T12:00", "2026-09-07T12:00") == [
        "2026-09-06T04:00",
        "2026-09-07T03:00",
    ]


def test_a_leap_day_is_waited_for() -> None:
    assert slots(clock(crontab="0 0 29 2 *"), "2096-03-01", "2104-03-01") == ["2104-02-29T03:00"]


def test_every_is_counted_from_1970_and_not_from_a_start() -> None:
    ten = clock(every="10 min")
    assert slots(ten, "2026-11-21T07:03", "2026-11-21T07:20") == ["2026-11-21T07:10", "2026-11-21T07:20"]


def test_the_sun_sets_where_almanacs_say_it_does() -> None:
    """Greenwich, 21 June 2026: sunrise 03:43 and sunset 20:21 UTC, to the minute."""
    greenwich = {"latitude": 51.4769, "longitude": 0.0}
    midnight = at("2026-06-21")
    sunset = clock(greenwich, sun="sunset").due_after(midnight)
    assert sunset == pytest.approx(at("2026-06-21T20:21"), abs=60)
    assert clock(greenwich, sun="sunrise").due_after(midnight) == pytest.approx(at("2026-06-21T03:43"), abs=60)
    assert clock(greenwich, sun="sunset", offset="-30 min").due_after(midnight) == sunset - 1800


def test_where_the_sun_never_sets_nothing_is_due_until_it_does() -> None:
    """Svalbard: the midnight sun lasts from 20 April to 22 August."""
    found = slots(clock(SVALBARD, sun="sunset"), "2026-04-01", "2026-09-01")
    days = [text[:10] for text in found]
    gap = [later for earlier, later in pairwise(days) if at(later) - at(earlier) > 2 * DAY]
    assert len(gap) == 1
    assert "2026-08-20" < gap[0] < "2026-08-28"
    assert len(set(found)) == len(found)


def test_at_night_holds_in_polar_night_never_under_midnight_sun() -> None:
    hourly = clock(SVALBARD, every="1 h", only_at_night=True)
    assert len(slots(hourly, "2026-12-10", "2026-12-12")) == 48
    assert slots(hourly, "2026-06-10", "2026-06-12") == []
    assert clock(POLE, every="1 d", only_at_night=True).due_after(at("2026-01-01")) is not None
    assert clock(SVALBARD, every="1 h", only_at_night="astronomical").due_after(at("2026-06-10")) is not None


def test_nothing_is_due_where_it_never_gets_dark() -> None:
    assert clock({"latitude": 0.0, "longitude": 0.0}, sun="dawn_astronomical").due_after(at("2026-06-01"))
    in_june = clock({"latitude": 66.0, "longitude": 0.0}, every="10 min", only_at_night="astronomical")
    first = in_june.due_after(at("2026-06-01"))
    assert first is not None
    assert datetime.fromtimestamp(first, UTC).month > 7


def test_a_slot_in_the_day_says_why_it_does_not_fire() -> None:
    ten = clock(every="10 min", only_at_night=True)
    assert ten.why_not(at("2026-11-21T16:30")) == "the sun is up"
    assert ten.why_not(at("2026-11-22T04:00")) is None
    assert clock(every="10 min", only_at_night="nautical").why_not(at("2026-11-21T16:30")) == "no nautical night"


def test_without_ephem_only_what_needs_the_sun_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ephem", None)
    assert clock(every="10 min").due_after(0.0) == 600
    with pytest.raises(UsageError, match=r"need the package ephem.*pip install 'underbutler\[beat\]'"):
        clock(sun="sunset")


WHENS = st.one_of(
    st.builds(lambda n: {"every": n}, st.integers(600, 3 * DAY)),
    st.builds(
        lambda n, night: {"every": n, "only_at_night": night},
        st.integers(1800, DAY),
        st.sampled_from([True, "nautical"]),
    ),
    st.builds(
        lambda minute, hour, day: {"crontab": f"{minute} {hour} {day} * *"},
        st.sampled_from(["0", "*/20", "30", "5,55"]),
        st.sampled_from(["*", "0", "2", "1-3", "*/6", "23"]),
        st.sampled_from(["*", "*/2", "28-31"]),
    ),
    st.builds(
        lambda event, offset: {"sun": event, "offset": offset},
        st.sampled_from(["sunset", "sunrise", "dawn_civil", "dusk_astronomical", "solar_noon"]),
        st.integers(-7200, 7200),
    ),
)
SITES = st.sampled_from(
    [CAMPANAS, SVALBARD, BERLIN, POLE, {"latitude": 69.0, "longitude": -179.9, "time_zone": "Asia/Kamchatka"}]
)
BEGINS = st.integers(int(at("2025-01-01")), int(at("2027-01-01")))


@settings(max_examples=examples(60))
@given(WHENS, SITES, BEGINS, st.lists(st.floats(0, 3 * DAY), min_size=1, max_size=8))
def test_slots_are_the_same_from_wherever_one_counts(
    when: dict[str, Any], site: Any, begin: int, steps: list[float]
) -> None:
    """Asked after any moment, an entry answers with the one slot that follows it: none twice, none left out."""
    one = clock(site, **when)
    every, moment = [], float(begin)
    end = begin + 4 * DAY
    while (due := one.due_after(moment)) is not None and due <= end and len(every) < 800:
        assert due > moment
        every.append(due)
        moment = due
    other = clock(site, **when)  # another beat, started now
    asked = float(begin)
    for step in steps:
        asked = min(asked + step, float(every[-1] if every else begin))
        expected = next((slot for slot in every if slot > asked), None)
        if expected is not None:
            assert other.due_after(asked) == expected


@settings(max_examples=examples(40))
@given(st.floats(-90, 90), st.floats(-180, 180), BEGINS)
def test_the_days_of_the_sun_join_and_each_holds_its_events(latitude: float, longitude: float, moment: int) -> None:
    sun = Sun(Site(latitude=latitude, longitude=longitude))
    day = sun.day_of(moment)
    noon, next_noon = sun.event("solar_noon", day), sun.event("solar_noon", day + 1)
    assert noon is not None
    assert next_noon is not None
    assert noon <= moment < next_noon
    for event in ("sunset", "sunrise"):
        found = sun.event(event, day)  # type: ignore[arg-type]
        assert found is None or noon <= found < next_noon
    night = sun.night("sunset", day)
    if night is not None:
        assert noon <= night.begin < night.end <= next_noon
