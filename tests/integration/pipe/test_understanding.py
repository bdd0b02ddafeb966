"""A request against a real repository: every fault at once, targets by data ID, and one value for equal words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.pipe_site import CAMERA, ExposureTask, FactorTask, LevelTask
from underbutler.butlers import Repositories
from underbutler.errors import UnknownNameError
from underbutler.model.message import encode_element
from underbutler.pipe import understanding
from underbutler.pipe.faults import RequestError
from underbutler.pipe.job_command import JobCommand
from underbutler.pipe.request import JobRequest
from underbutler.pipe.understanding import faults_of_words, understand
from underbutler.schedules.entries import Definition
from underbutler.schedules.submitting import request_of

TASKS = {"level": LevelTask, "factor": FactorTask, "exposureLevel": ExposureTask}


@pytest.fixture(autouse=True)
def tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the tasks, as an installed distribution would."""

    def load(name: str) -> Any:
        if name not in TASKS:
            raise UnknownNameError.of("task", name, TASKS)
        return TASKS[name]

    monkeypatch.setattr(understanding, "load_task", load)
    monkeypatch.setattr("underbutler.pipe.registry.load_task", load)


def asked(task: str = "level", *, step: dict[str, Any] | None = None, **fields: Any) -> JobRequest:
    return JobRequest.from_json({"repo": "tiny", "steps": [{"task": task, **(step or {})}], **fields})


def faults_of(site: Repositories, request: JobRequest) -> dict[str, str]:
    with pytest.raises(RequestError) as error:
        understand(request, site)
    assert all(fault.message in str(error.value) for fault in error.value.faults)
    return {fault.field: fault.message for fault in error.value.faults}


def data_of(command: JobCommand) -> list[tuple[Any, Any]]:
    with command.resources:
        return [(ref.dataId["exposure"], ref.dataId["detector"]) for ref in command.containers["id"].refList]


def test_every_fault_is_told_at_once_with_its_field(site: Repositories) -> None:
    config = [
        {"path": "scale", "value": 2.0},
        {"path": "scal", "value": 1},
        {"path": "scale", "value": "big", "is_text": True},
    ]
    step = {
        "config": config,
        "ids": {"id": [["exposure=1"], ["exposure=1..x"]], "other": [["detector=0"]]},
        "options": {"factor": "much", "colour": "red"},
    }
    told = faults_of(
        site, asked("factor", step=step, queue=" ", collections=["CAM/row"], run="CAM/calib", out="nowhere")
    )
    assert set(told) == {
        "steps[0].config[1]",
        "steps[0].config[2]",
        "steps[0].ids.id[1]",
        "steps[0].ids.other",
        "steps[0].options.factor",
        "steps[0].options.colour",
        "queue",
        "out",
        "collections",
    }
    assert told["steps[0].config[2]"].startswith("Config scale takes a float, not 'big'")
    assert "Did you mean 'CAM/raw'?" in told["collections"]


def test_names_that_lead_nowhere_are_told_together(site: Repositories) -> None:
    assert set(faults_of(site, asked("levle", repo="tinny"))) == {"steps[0].task", "repo"}
    with pytest.raises(UnknownNameError, match="Did you mean 'level'"):
        understand(asked("levle"), site)
    told = faults_of(site, asked(step={"ids": {"id": [["exposur=1"]]}}, run="CAM/calib"))
    assert set(told) == {"steps[0].ids.id", "run"}


def test_what_needs_no_repository_is_told_without_one() -> None:
    request = asked(step={"config": [{"path": "scal", "value": 1}], "ids": {"id": [["exposure"]]}}, repo="nowhere")
    assert [fault.field for fault in faults_of_words(request)] == ["steps[0].config[0]", "steps[0].ids.id[0]"]


def test_several_steps_are_refused_until_they_can_be_run(site: Repositories) -> None:
    steps = [{"task": "level", "ids": {"id": [["exposure=1"]]}}, {"task": "factor"}]
    told = faults_of(site, JobRequest.from_json({"repo": "tiny", "steps": steps}))
    assert told == {"steps": "A job of 2 steps cannot be run yet. Submit one job for each step."}


def test_text_is_read_by_the_type_of_its_field(site: Repositories) -> None:
    config = [
        {"path": "fails_on", "value": "1,2", "is_text": True},
        {"path": "scale", "value": 3},
        {"path": "scale", "value": "4", "is_text": True},
    ]
    command = understand(asked(step={"config": config, "ids": {"id": [["exposure=1", "detector=0"]]}}), site)
    with command.resources:
        assert command.overrides == (["fails_on", [1, 2]], ["scale", 3.0], ["scale", 4.0])
        assert command.config.scale == 4.0
        assert command.config_json["scale"] == 4.0


def test_targets_are_named_by_data_ids_with_arguments(site: Repositories) -> None:
    ids = [{"instrument": "CAM", "exposure": 2, "detector": "1"}, {"instrument": "CAM", "exposure": 1, "detector": 0}]
    targets = [{"data_id": ids[0], "kwargs": {"factor": 3.0}}, {"data_id": ids[1]}]
    command = understand(asked(step={"targets": targets}), site)
    assert command.elements is not None
    assert [(dict(ref.data_id), kwargs) for ref, kwargs in command.elements] == [
        ({"instrument": "CAM", "exposure": 2, "detector": 1}, {"factor": 3.0}),
        ({"instrument": "CAM", "exposure": 1, "detector": 0}, {}),
    ]
    assert {ref.run for ref, _ in command.elements} == {command.run}
    assert data_of(command) == [(2, 1), (1, 0)]


def test_targets_that_do_not_exist_are_told_one_by_one(site: Repositories) -> None:
    here = {"instrument": "CAM", "exposure": 1, "detector": 0}
    targets = [{"data_id": here}, {"data_id": here | {"exposure": 3}}, {"data_id": here | {"exposure": 4}}]
    told = faults_of(site, asked(step={"targets": targets}))
    assert set(told) == {"steps[0].targets[1].data_id", "steps[0].targets[2].data_id"}
    assert "exposure=3" in told["steps[0].targets[1].data_id"]
    told = faults_of(site, asked(step={"targets": [{"data_id": {"exposure": 1}}, {"args": []}]}))
    assert set(told) == {"steps[0].targets[0]", "steps[0].targets[1]"}
    assert "instrument, detector, exposure" in told["steps[0].targets[0]"]


def test_recorded_targets_are_moved_to_the_new_run(site: Repositories) -> None:
    first = understand(asked(step={"ids": {"id": [["exposure=1"]]}}, run="u/old"), site)
    with first.resources:
        args = [list(encode_element((ref, {}))) for ref in first.containers["id"].refList]
    targets = [{"args": args[0]}, {"args": args[1], "kwargs": {"factor": 2.0}}]
    again = understand(asked(step={"targets": targets, "targets_run": "u/old"}), site)
    with again.resources:
        assert again.elements is not None
        assert [(ref.run, kwargs) for ref, kwargs in again.elements] == [(again.run, {}), (again.run, {"factor": 2.0})]
        assert again.own_run
        assert again.run != "u/old"


def test_the_parsed_command_has_what_a_task_reads(site: Repositories) -> None:
    request = asked("factor", step={"ids": {"id": [["exposure=1", "detector=0"]]}, "options": {"factor": 5.0}})
    command = understand(request, site)
    with command.resources:
        parsed = command.parsed_cmd
        assert parsed is command.parsed_cmd
        assert parsed.id.refList[0].get().data[0, 0] == 100
        assert (parsed.factor, parsed.doraise, parsed.processes, parsed.timeout) == (5.0, False, 1, None)
        assert (parsed.input, parsed.repo, parsed.out, parsed.run) == ("tiny", "tiny", "tiny", command.run)
        parsed.butler = None
        assert command.butler is not None


def test_schedule_and_command_line_ask_the_same(
    site: Repositories, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path_factory.mktemp("words") / "over.toml"
    file.write_text("scale = 2.5\nfails_on = [1, 2]\n")
    words = ["tiny", "--id", "instrument=CAM", "day_obs=20261119", "exposure=1^2", "-C", str(file)]
    more = ["-c", "sleep_s=0", "--factor", "4", "--no-versions"]
    words += ["-d", "exposure.id > 1", "-o", "u/20261120", "--collections", "CAM/raw,CAM/calib", "--allow-empty"]
    said = FactorTask._makeArgumentParser().read([*words, *more])
    entry = Definition.model_validate(
        {
            "name": "nightly",
            "when": {"every": "1 d"},
            "task": "factor",
            "repo": "tiny",
            "id": {"instrument": "CAM", "day_obs": "yesterday", "exposure": [1, 2]},
            "query": "exposure.id > 1",
            "run": "u/{day_obs}",
            "collections": ["CAM/raw", "CAM/calib"],
            "config": {"scale": 2.5, "fails_on": [1, 2]},
            "options": more,
        }
    )
    scheduled = request_of(entry, 20261120)
    assert scheduled == said.request
    assert JobRequest.from_json(json.loads(json.dumps(scheduled.to_json()))) == said.request


def with_defaults(monkeypatch: pytest.MonkeyPatch, site: Repositories, **defaults: Any) -> None:
    """Let the map of the site's instrument say something of the task ``level``."""
    told = CAMERA.model_copy(update={"defaults": {"level": defaults}})
    monkeypatch.setattr(site, "instrument_map", lambda _, name: told if name == "CAM" else None)


def test_the_instruments_defaults_come_before_the_users(site: Repositories, monkeypatch: pytest.MonkeyPatch) -> None:
    with_defaults(monkeypatch, site, scale=3.0)
    plain = understand(asked(step={"ids": {"id": [["instrument=CAM", "exposure=1"]]}}), site)
    mine = {"ids": {"id": [["exposure=1"]]}, "config": [{"path": "scale", "value": 2.0}]}
    own = understand(asked(step=mine), site)
    with plain.resources, own.resources:
        assert plain.config.scale == 3.0
        assert plain.overrides == (["scale", 3.0, "CAM"],), "the record says whose it is"
        assert own.config.scale == 2.0
        assert own.overrides == (["scale", 3.0, "CAM"], ["scale", 2.0])


def test_a_default_that_no_task_takes_names_the_map(site: Repositories, monkeypatch: pytest.MonkeyPatch) -> None:
    with_defaults(monkeypatch, site, scal=3.0)
    faults = faults_of(site, asked(step={"ids": {"id": [["exposure=1"]]}}))
    assert faults["steps[0].config"].startswith("In [defaults] of the map of CAM: ")


def test_recorded_defaults_are_not_read_again(site: Repositories, monkeypatch: pytest.MonkeyPatch) -> None:
    with_defaults(monkeypatch, site, scale=4.0)
    recorded = [{"path": "scale", "value": 3.0, "origin": "CAM"}]
    again = understand(asked(step={"ids": {"id": [["exposure=1"]]}, "config": recorded}), site)
    with again.resources:
        assert again.config.scale == 3.0
        assert again.overrides == (["scale", 3.0, "CAM"],)
