"""Targets that a worker ran are run again here, stopped in the debugger, and compared with others."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine, environment_of
from tests.support.target_site import TargetSite, target_of
from underbutler.butlers import repositories
from workers.target.run import TargetFailedError

pytestmark = [pytest.mark.usefixtures("steps"), pytest.mark.xdist_group("target_way")]


@pytest.fixture
def underbutler(site: TargetSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    for name, value in environment_of(site.settings).items():
        monkeypatch.setenv(name, value)
    return CommandLine(capsys)


def test_a_failed_target_runs_again_here(site: TargetSite, steps: dict[str, Any], underbutler: CommandLine) -> None:
    job, (one, other) = site.submitted("onePicture", "-c", "words=one two three")
    site.run(other)
    steps["last"] = lambda: 1 / 0
    with pytest.raises(TargetFailedError):
        site.run(one)
    before = site.target(target_of(one))

    def runs() -> set[str]:
        with site.context.repositories.butler("demo") as butler:
            return set(butler.collections.query("u/*"))

    there = runs()
    failed = underbutler("debug", job.id)
    assert failed.code == 1
    assert before.argsrepr in failed.err
    assert "ZeroDivisionError" in failed.out
    assert "in runDataRef" in failed.err
    assert "task_runner.py" not in failed.err
    assert runs() == there, "what it wrote is removed"
    steps.clear()
    kept = underbutler("debug", job.id, str(before.ordinal + 1), "--keep", "-c", "times=2")
    assert kept.code == 0, kept.err
    (run,) = runs() - there
    assert f"RUN {run}" in kept.out
    with site.context.repositories.butler("demo", collections=[run]) as butler:
        picture = butler.get("onePicture", **before.data_id)
    assert picture.endswith(b"one two three" * 2), "its recorded config, and what was given after"
    assert site.target(before.id) == before, "the job stays as it is"


def test_debug_stops_in_the_debugger(
    site: TargetSite, steps: dict[str, Any], underbutler: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, (one, _) = site.submitted("onePicture")
    assert "No target of job" in underbutler("debug", job.id).err
    assert "names 2 targets" in underbutler("debug", job.id, "detector=0").err
    steps["first"] = lambda: 1 / 0
    monkeypatch.setattr("sys.stdin", io.StringIO("up\nup\np self.config.words * 2\nq\n"))
    said = underbutler("debug", job.id, f"exposure={site.target(target_of(one)).data_id['exposure']}", "--pdb")
    assert said.code == 1
    assert "'hellohello'" in said.out


def test_debug_takes_a_token_for_a_remote_repository(
    site: TargetSite, steps: dict[str, Any], underbutler: CommandLine, tmp_path: Path
) -> None:
    """Whatever the task opens, it opens with the token of who debugs."""
    job, _ = site.submitted("onePicture")
    shown: list[str | None] = []
    steps["first"] = lambda: shown.append(repositories._access_token.get())
    (tmp_path / "token").write_text("gt-of-mine\n")
    said = underbutler("debug", job.id, "1", "--access-token-file", tmp_path / "token")
    assert (said.code, shown) == (0, ["gt-of-mine"]), said.err
    assert "gt-of-mine" not in said.out + said.err


def test_two_jobs_are_compared_to_the_pixel(site: TargetSite, underbutler: CommandLine) -> None:
    """The second has 3 in place of 1 in one pixel, and two more pixels of a mask."""
    jobs = []
    for words in (["-c", "times=1"], ["-c", "times=3"]):
        job, messages = site.submitted("oneImage", *words)
        for one in messages:
            site.run(one)
        jobs.append(str(job.id))
    found = underbutler("runs", "diff", *jobs, "--pixels", "--json").json
    assert found["configuration"] == [{"name": "times", "a": 1, "b": 3}]
    assert found["configuration_is_whole"] is True
    level = found["numbers"][0]
    assert (level["name"], level["units"], level["median_change"]) == ("level", "electron", 20.0)
    for image in found["images"]:
        assert (image["differing"], image["largest"], image["mask"]) == (1, 2.0, {"BAD": [0, 2]})
    assert len(found["images"]) == 2
    table = underbutler("runs", "diff", *jobs, "--pixels", "--type", "oneImage").out
    assert "BAD 0 2" in table
    assert underbutler("runs", "diff", *jobs, "--pixels", "--type", "calexp").code == 2
