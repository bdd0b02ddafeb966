"""A job that is run again is prepared from its record: as it was prepared from its command line, but for its RUN."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pipe_site import ExposureTask, FactorTask, LevelTask, make_site

from underbutler.butlers import Repositories
from underbutler.errors import UsageError
from underbutler.model.message import decode_element, encode_element
from underbutler.pipe import CmdLineTask
from underbutler.pipe.binding import moved_element
from underbutler.pipe.recorded_command import recorded_command

NEW_RUN = "u/tester/again"
WORDS = ("tiny", "--id", "exposure=1^2", "detector=0..1", "-c", "scale=2.5", "fails_on=[2]")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    with make_site(tmp_path_factory.mktemp("recorded")) as repositories:
        yield repositories


def parsed(task: type[CmdLineTask], repositories: Repositories, *words: str) -> argparse.Namespace:
    return task._makeArgumentParser().parse(
        task.ConfigClass(),
        [*WORDS, *words],
        override=task.applyOverrides,
        repositories=repositories,
        task_class=task,
        user="tester",
    )


def elements_of(task: type[CmdLineTask], command: argparse.Namespace) -> list[Any]:
    """Return the target list as the records hold it."""
    runner = task.RunnerClass(TaskClass=task, parsedCmd=command)
    return [decode_element(list(encode_element(element))) for element in runner.getTargetList(command)]


def again(
    task: type[CmdLineTask], repositories: Repositories, first: argparse.Namespace, **changes: Any
) -> argparse.Namespace:
    """Prepare the recorded job again."""
    moved = [moved_element(element, first.run, NEW_RUN) for element in elements_of(task, first)]
    fields: dict[str, Any] = {
        "repositories": repositories,
        "job": uuid.uuid4(),
        "user": "tester",
        "repo": first.repo,
        "out": first.out,
        "run": NEW_RUN,
        "collections": first.collections,
        "overrides": first.overrides,
        "options": first.options,
        "elements": moved,
    }
    return recorded_command(task, **(fields | changes))


@pytest.mark.parametrize("task", [LevelTask, FactorTask, ExposureTask])
def test_the_recorded_command_gives_the_same_targets_in_another_run(
    repositories: Repositories, task: type[CmdLineTask]
) -> None:
    words = ("--factor", "4") if task is FactorTask else ()
    first = parsed(task, repositories, *words)
    second = again(task, repositories, first)
    with first.resources, second.resources:
        before, after = elements_of(task, first), elements_of(task, second)
        assert after == [moved_element(element, first.run, NEW_RUN) for element in before]
        assert len(after) == (2 if task is ExposureTask else 4)
        assert second.config_digest == first.config_digest
        assert second.config_json == first.config_json
        assert second.overrides == first.overrides == [["scale", 2.5], ["fails_on", [2]]]
        assert second.options == first.options
        assert second.id.dimensions == first.id.dimensions
        assert [ref.dataId for ref in second.id.refList] == [ref.dataId for ref in first.id.refList]
        assert second.id.idList == [ref.dataId for ref in second.id.refList]
        assert (second.ownRun, second.clobberConfig, second.doraise, second.processes) == (True, False, False, 1)
        if task is FactorTask:
            assert second.factor == 4.0


def test_its_precall_writes_the_new_run_with_the_changed_config(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories)
    run = "u/tester/precalled"
    second = again(LevelTask, repositories, first, run=run, config_words=["scale=7"])
    with first.resources, second.resources:
        assert second.overrides == [["scale", 2.5], ["fails_on", [2]], ["scale", 7.0]]
        assert second.config.scale == 7.0
        runner = LevelTask.RunnerClass(TaskClass=LevelTask, parsedCmd=second)
        runner.precall_or_raise(second)
        assert second.butler.run == run
    with repositories.butler("tiny", collections=[run]) as butler:
        assert butler.get("level_config").scale == 7.0
        assert butler.get("level_packages")
        assert butler.get_dataset_type("level_metadata").dimensions.required >= {"exposure", "detector"}


def test_versions_are_left_out_when_they_were(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories, "--no-versions")
    second = again(LevelTask, repositories, first, with_versions=bool(first.versions))
    with first.resources, second.resources:
        assert second.noVersions
        assert second.versions == {}


def test_an_override_that_this_release_does_not_take_is_refused(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories)
    with first.resources:
        for changes in ({"overrides": [["gone", 1]]}, {"config_words": ["scale=abc"]}):
            with pytest.raises(UsageError):
                again(LevelTask, repositories, first, **changes)


def test_references_that_write_elsewhere_are_not_moved(tmp_path: Path) -> None:
    from underbutler.model.dataref import DataRef

    own = DataRef("tiny", {"exposure": 1}, run="u/ann/old")
    other = DataRef("tiny", {"exposure": 2}, run="u/bob/other")
    reads = DataRef("tiny", {"exposure": 3})
    moved = moved_element((own, {"near": [other, reads], "text": "u/ann/old"}), "u/ann/old", "u/ann/new")
    assert moved == (own.replaced(run="u/ann/new"), {"near": [other, reads], "text": "u/ann/old"})
