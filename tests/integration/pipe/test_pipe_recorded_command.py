"""A job that is run again is prepared from its record: as it was prepared from its command line, but for its RUN."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.pipe_site import ExposureTask, FactorTask, LevelTask, make_site
from underbutler.butlers import Repositories
from underbutler.errors import UsageError
from underbutler.model.message import decode_element, encode_element
from underbutler.pipe import CmdLineTask
from underbutler.pipe.binding import moved_element
from underbutler.pipe.checking import Identity, TaskParts, checked_command
from underbutler.pipe.job_command import JobCommand, LocalOptions
from underbutler.records import StepRow
from underbutler.sweeper.resubmission import request_again

WORDS = ("tiny", "--id", "exposure=1^2", "detector=0..1", "-c", "scale=2.5", "fails_on=[2]")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    with make_site(tmp_path_factory.mktemp("recorded")) as repositories:
        yield repositories


def parts(task: type[CmdLineTask]) -> TaskParts:
    return TaskParts(task._makeArgumentParser(), task.ConfigClass(), task.applyOverrides, task.datasetTypes)


def parsed(task: type[CmdLineTask], repositories: Repositories, *words: str) -> JobCommand:
    line = task._makeArgumentParser().read([*WORDS, *words])
    request = line.request.replaced(user="tester")
    return checked_command(request, parts(task), repositories, Identity(), local=line.local)


def elements_of(task: type[CmdLineTask], command: JobCommand) -> list[Any]:
    """Return the target list as the records hold it."""
    elements = command.elements
    if elements is None:
        runner = task.RunnerClass(TaskClass=task, parsedCmd=command.parsed_cmd)
        elements = runner.getTargetList(command.parsed_cmd)
    return [decode_element(list(encode_element(element))) for element in elements]


def again(
    task: type[CmdLineTask],
    repositories: Repositories,
    first: JobCommand,
    *,
    config_words: tuple[str, ...] = (),
    **changes: Any,
) -> JobCommand:
    """Prepare the recorded job again."""
    step = StepRow(
        ordinal=0,
        label=task._DefaultName,
        task=task._DefaultName,
        config=first.config_json,
        config_digest=first.config_digest,
        **({"overrides": list(first.overrides), "options": dict(first.options)} | changes),
    )
    row: Any = SimpleNamespace(
        repo=first.repo,
        out=first.out,
        run=first.run,
        collections=first.collections,
        versions=first.versions,
        steps=[step],
    )
    targets: list[Any] = [
        SimpleNamespace(id=uuid.uuid4(), step=0, queue="targets", task=step.task, args=list(encode_element(element)))
        for element in elements_of(task, first)
    ]
    request = request_again(row, targets, config_words=config_words).replaced(user="tester")
    return checked_command(request, parts(task), repositories, Identity(), local=LocalOptions())


@pytest.mark.parametrize("task", [LevelTask, FactorTask, ExposureTask])
def test_the_recorded_command_gives_equal_targets_again(repositories: Repositories, task: type[CmdLineTask]) -> None:
    words = ("--factor", "4") if task is FactorTask else ()
    first = parsed(task, repositories, *words)
    second = again(task, repositories, first)
    with first.resources, second.resources:
        before, after = elements_of(task, first), elements_of(task, second)
        assert after == [moved_element(element, first.run, second.run) for element in before]
        assert len(after) == (2 if task is ExposureTask else 4)
        assert second.config_digest == first.config_digest
        assert second.config_json == first.config_json
        assert second.overrides == first.overrides == (["scale", 2.5], ["fails_on", [2]])
        assert second.options == first.options
        assert second.run != first.run
        one, two = first.parsed_cmd, second.parsed_cmd
        assert two.id.dimensions == one.id.dimensions
        assert [ref.dataId for ref in two.id.refList] == [ref.dataId for ref in one.id.refList]
        assert two.id.idList == [ref.dataId for ref in two.id.refList]
        assert (two.ownRun, two.clobberConfig, two.doraise, two.processes) == (True, False, False, 1)
        if task is FactorTask:
            assert two.factor == 4.0


def test_its_precall_writes_the_new_run_with_the_changed_config(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories)
    second = again(LevelTask, repositories, first, config_words=("scale=7",))
    run = second.run
    with first.resources, second.resources:
        assert second.overrides == (["scale", 2.5], ["fails_on", [2]], ["scale", 7.0])
        assert second.config.scale == 7.0
        runner = LevelTask.RunnerClass(TaskClass=LevelTask, parsedCmd=second.parsed_cmd)
        runner.precall_or_raise(second.parsed_cmd)
        assert second.parsed_cmd.butler.run == run
    with repositories.butler("tiny", collections=[run]) as butler:
        assert butler.get("level_config").scale == 7.0
        assert butler.get("level_packages")
        assert butler.get_dataset_type("level_metadata").dimensions.required >= {"exposure", "detector"}


def test_versions_are_left_out_when_they_were(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories, "--no-versions")
    second = again(LevelTask, repositories, first)
    with first.resources, second.resources:
        assert second.parsed_cmd.noVersions
        assert second.versions == {}


def test_an_override_that_this_release_does_not_take_is_refused(repositories: Repositories) -> None:
    first = parsed(LevelTask, repositories)
    with first.resources:
        refused: tuple[dict[str, Any], ...] = (
            {"overrides": [["gone", 1]]},
            {"config_words": ("scale=abc",)},
            {"options": {"gone": 1}},
        )
        for changes in refused:
            with pytest.raises(UsageError, match=r"gone|scale"):
                again(LevelTask, repositories, first, **changes)


def test_references_that_write_elsewhere_are_not_moved(tmp_path: Path) -> None:
    from underbutler.model.dataref import DataRef

    own = DataRef("tiny", {"exposure": 1}, run="u/ann/old")
    other = DataRef("tiny", {"exposure": 2}, run="u/bob/other")
    reads = DataRef("tiny", {"exposure": 3})
    moved = moved_element((own, {"near": [other, reads], "text": "u/ann/old"}), "u/ann/old", "u/ann/new")
    assert moved == (own.replaced(run="u/ann/new"), {"near": [other, reads], "text": "u/ann/old"})
