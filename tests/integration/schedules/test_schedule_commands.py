"""``underbutler schedule``, as a person types it; and the schedule that is shipped as an example."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from underbutler.context import ServiceContext
from underbutler.schedules.firing import fire_due
from underbutler.settings import load_settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "schedules.toml"
WEEKLY = '[[schedule]]\nname = "weekly"\nchore = "sweep"\nwhen.crontab = "0 0 * * mon"\n'
DAILY = (
    '[[schedule]]\nname = "daily"\ntask = "processCcd"\nrepo = "demo"\nid.instrument = "SIMCAM"\nwhen.every = "1 d"\n'
)
NAMES = ("daily", "weekly")


@pytest.fixture
def underbutler(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(capsys)


@pytest.fixture
def loaded(underbutler: CommandLine, tmp_path: Path) -> CommandLine:
    path = tmp_path / "some.toml"
    path.write_text(WEEKLY + DAILY)
    assert underbutler("schedule", "load", path).code == 0
    return underbutler


def test_the_example_is_right_and_says_what_comes(underbutler: CommandLine) -> None:
    said = underbutler("schedule", "check", EXAMPLE)
    assert (said.code, said.err.strip()) == (0, "6 entries are valid, 0 faults found.")
    coming = underbutler("schedule", "next", "--days", 8, "--file", EXAMPLE, "--format", "json").json
    fires = {one["name"] for one in coming if one["why_not"] is None}
    assert fires == {"bias-afternoon", "quick", "whole-night", "verify-annex", "expire"}
    waits = [one["why_not"] for one in coming if one["name"] == "after-observing"]
    assert waits == ["30 min after the next exposure, if none follows it"]
    afternoons = [one["local"][11:16] for one in coming if one["name"] == "bias-afternoon"]
    assert set(afternoons) == {"18:00"}
    by_day = [one for one in coming if one["name"] == "quick" and one["why_not"]]
    assert {one["why_not"] for one in by_day} == {"no nautical night"}
    assert 8 <= len(by_day) <= 9, "the slots of one day are one line"
    nights = [one for one in coming if one["name"] == "quick" and not one["why_not"]]
    assert len(nights) > 8 * 30
    as_text = underbutler("schedule", "next", "quick", "--file", EXAMPLE).out
    assert "no nautical night" in as_text
    assert "-03" in as_text or "-04" in as_text


def test_a_wrong_file_is_refused_with_all_its_faults(underbutler: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(
        WEEKLY
        + DAILY.replace("1 d", "1 fortnight")
        + DAILY.replace("daily", "typo").replace("processCcd", "procesCcd")
        + DAILY.replace("daily", "config")
        + "config.detect.treshold = 3\n"
    )
    said = underbutler("schedule", "check", path)
    assert said.code == 2
    told = [line.removeprefix(str(path)) for line in said.err.splitlines()]
    assert told[0].startswith(":10: schedule 'daily', when.every: '1 fortnight' is not a span of time")
    assert told[1].startswith(":11: schedule 'typo', task: No task is called 'procesCcd'. Did you mean 'processCcd'?")
    assert told[2].startswith(":17: schedule 'config', config: There is no config field 'detect.treshold'")
    assert told[3] == "3 entries are valid, 3 faults found."
    assert underbutler("schedule", "load", path).code == 2
    assert underbutler("db", "upgrade").code == 0
    assert underbutler("schedule", "list", "--format", "json").json == []


def test_a_loaded_entry_is_listed_paused_resumed_and_fired(loaded: CommandLine) -> None:
    rows = loaded("schedule", "list", "--format", "json").json
    assert [(row["name"], row["paused"], row["last"]) for row in rows] == [
        ("daily", False, None),
        ("weekly", False, None),
    ]
    shown = loaded("schedule", "list").out
    for words in ("daily", "every 24 h", "processCcd demo", "0 0 * * mon", "chore sweep", "never"):
        assert words in shown

    assert "is paused" in loaded("schedule", "pause", "daily").err
    assert "was paused before" in loaded("schedule", "pause", "daily").err
    (slot,) = loaded("schedule", "next", "daily", "--format", "json").json
    assert slot["why_not"] == "paused"
    assert "paused" in loaded("schedule", "list").out

    job = loaded("schedule", "run", rows[0]["id"][:8]).out.strip()
    with ServiceContext(load_settings()) as context:
        now = context.jobs.now() + 20 * 86400
        assert fire_due(context.jobs, now, fired_by="beat") == 1, "what is paused does not fire"
    firings = loaded("schedule", "history", "--format", "json").json
    assert {(one["name"], one["state"], one["fired_by"]) for one in firings} == {
        ("daily", "waiting", "tester"),
        ("weekly", "waiting", "beat"),
    }
    assert [one["job_id"] for one in firings if one["name"] == "daily"] == [job]
    assert "weekly" not in loaded("schedule", "history", "daily").out
    assert "left out" in loaded("schedule", "history", "weekly").out

    resumed = loaded("schedule", "resume", "daily").err
    assert "is resumed. It is due at 20" in resumed
    assert "was not paused" in loaded("schedule", "resume", "daily").err
    (slot,) = loaded("schedule", "next", "daily", "--format", "json").json
    assert slot["why_not"] is None


def test_an_unknown_name_is_told_with_those_that_are_known(loaded: CommandLine) -> None:
    said = loaded("schedule", "pause", "dayly")
    assert said.code == 2
    assert "No schedule is called 'dayly'. Did you mean 'daily'? Known: daily, weekly." in said.err


def test_a_removed_entry_fires_no_more_and_keeps_its_history(loaded: CommandLine, tmp_path: Path) -> None:
    loaded("schedule", "run", "daily")
    (tmp_path / "other.toml").write_text(WEEKLY)
    assert "changed: daily" in loaded("schedule", "load", tmp_path / "other.toml").err
    assert "was removed" in loaded("schedule", "run", "daily").err
    assert len(loaded("schedule", "history", "daily", "--format", "json").json) == 1


def test_every_command_has_examples(underbutler: CommandLine) -> None:
    for command in ("", "list", "next", "run", "pause", "resume", "history", "check", "load"):
        said = underbutler("schedule", *([command] if command else []), "--help")
        assert (said.code, f"underbutler schedule {command}" in said.out) == (0, True), command
        assert "Examples:" in said.out
