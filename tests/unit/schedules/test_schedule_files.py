"""The schedule's file: what is right is taken, what is wrong is told with file, line and field, and leaves the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from underbutler.schedules.durations import parse_span
from underbutler.schedules.files import ScheduleFile, parse_schedules

SITE = '[site]\nlatitude = -29.0146\nlongitude = -70.6926\ntime_zone = "America/Santiago"\n'
GOOD = '[[schedule]]\nname = "good"\ntask = "processCcd"\nrepo = "demo"\nwhen.every = "10 min"\n'


def read(text: str) -> ScheduleFile:
    return parse_schedules(text, Path("s.toml"))


def told(file: ScheduleFile) -> list[str]:
    return [problem.text("s.toml") for problem in file.problems]


def test_spans_are_written_as_people_write_them() -> None:
    assert [parse_span(text) for text in ("90", "30 s", "10min", "2 h", "1 d", "-30 min")] == [
        90,
        30,
        600,
        7200,
        86400,
        -1800,
    ]
    with pytest.raises(ValueError, match=r"'soon' is not a span of time\. Write 30 s"):
        parse_span("soon")


def test_an_entry_of_each_kind_is_read() -> None:
    file = read(
        SITE
        + GOOD
        + """
[[schedule]]
name = "dawn"
task = "processCcd"
repo = "demo"
missed = "catch_up"
[schedule.when]
sun = "dawn_civil"
offset = "30 min"
[schedule.id]
instrument = "STE3"
day_obs = ["yesterday", -2, 20261120]

[[schedule]]
name = "tidy"
chore = "expire"
older_than = "90 d"
when = {crontab = "0 12 * * sun"}
"""
    )
    assert told(file) == []
    assert [(entry.name, entry.lane, entry.what) for entry in file.entries] == [
        ("good", "submission", "processCcd demo"),
        ("dawn", "submission", "processCcd demo"),
        ("tidy", "chore", "chore expire"),
    ]
    assert file.entries[1].when.offset == 1800


@pytest.mark.parametrize(
    ("entry", "line", "words"),
    [
        ('when = {evry = "10 min"}\ntask = "a"\nrepo = "b"', 3, "when.evry: is not known. Did you mean 'every'?"),
        ('task = "a\nrepo = "b"', 3, "is not TOML"),
        ('task = "a"\nrepo = "b"\n[schedule.when]\nsun = "dawn"', 6, "when.sun: input should be 'dawn_astronomical'"),
        ('task = "a"\nrepo = "b"\nwhen.crontab = "0 25 * * *"', 5, "when.crontab: '0 25 * * *' is not a crontab"),
        ('task = "a"\nrepo = "b"\nwhen.crontab = "0 0 31 2 *"', 5, "never occurs in month_of_year '2'"),
        ('task = "a"\nrepo = "b"\nwhen = {}', 5, "when: takes exactly one of crontab, every, sun, after_last_exposure"),
        ('task = "a"\nwhen.every = 60', 1, "submits a task, and needs the label of a repository: repo"),
        ('chore = "expire"\nwhen.every = 60', 1, "needs older_than"),
        ('chore = "sweep"\nrepo = "b"\nwhen.every = 60', 1, "is a chore and takes no repo"),
        ('chore = "expire"\nolder_than = "soon"\nwhen.every = 60', 4, "older_than: 'soon' is not a span of time"),
        ('task = "a"\nrepo = "b"\nwhen.every = 60\nid.day_obs = "tomorow"', 1, "has day_obs 'tomorow': write today"),
        ('task = "a"\nrepo = "b"\nwhen.every = 60\nmissed = "never"', 6, "missed: input should be 'catch_up'"),
        (
            'task = "a"\nrepo = "b"\nwhen = {every = 60, time_zone = "Chile"}',
            5,
            "when.time_zone: 'Chile' is not a time",
        ),
        ('task = "a"\nrepo = "b"\nwhen.after_last_exposure = "1 h"', 1, "needs an instrument"),
    ],
)
def test_what_is_wrong_has_its_line_and_leaves_the_others(entry: str, line: int, words: str) -> None:
    text = SITE + "\n" + GOOD + "\n"
    begins = text.count("\n")
    file = read(text + f'[[schedule]]\nname = "bad"\n{entry}\n\n' + GOOD.replace("good", "after"))
    assert [one.name for one in file.entries] == ["good", "after"]
    (problem,) = told(file)
    assert problem.startswith(f"s.toml:{begins + line}: schedule 'bad'"), problem
    assert words in problem
    assert list(file.wrong_names) == ["bad"]


def test_a_doubled_name_names_both_lines_and_neither_is_taken() -> None:
    file = read(GOOD + GOOD + GOOD.replace("good", "other"))
    assert [one.name for one in file.entries] == ["other"]
    assert told(file) == [
        "s.toml:1: schedule 'good', name: two entries have this name",
        "s.toml:6: schedule 'good', name: two entries have this name",
    ]


def test_a_wrong_site_stops_only_those_that_go_by_it() -> None:
    local = '[[schedule]]\nname = "local"\nchore = "sweep"\nwhen.crontab = "0 5 * * *"\n'
    utc = local.replace("local", "utc") + 'when.time_zone = "UTC"\n'
    file = read("[site]\nlatitude = 91\nlongitude = 0\n" + GOOD + local + utc)
    assert [one.name for one in file.entries] == ["good", "utc"]
    assert "s.toml:2: the file, site.latitude: input should be less than or equal to 90 (it is 91)" in told(file)
    assert set(file.wrong_names) == {"local"}


def test_what_stands_in_a_text_of_several_lines_is_no_entry() -> None:
    file = read(GOOD + 'query = """\n[[schedule]]\n"""\n')
    assert told(file) == []
    assert file.entries[0].query == "[[schedule]]\n"


def test_an_entry_without_a_name_may_be_any_recorded_one() -> None:
    file = read(GOOD + GOOD.replace('name = "good"\n', ""))
    assert file.may_hold_more
    assert told(file) == ["s.toml:6: a nameless schedule, name: field required"]


def test_a_table_that_is_none_of_ours_is_told() -> None:
    assert told(read(GOOD + "[weather]\nx = 1\n")) == [
        "s.toml:6: the file, weather: is not known here. Known: [site], [[schedule]]"
    ]
