"""Tasks run here and now, on a real repository: `CmdLineTask.parseAndRun`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipe_site import CAMERA, ButlerLevelTask, ExposureTask, FactorTask, LevelTask
from underbutler import Struct, TaskError
from underbutler.butlers import Repositories, create_repository
from underbutler.errors import UsageError

ALL = ["--id", "instrument=CAM", "exposure=1..5", "detector=0^1"]


def run(site: Repositories, task: Any, *words: str, **options: Any) -> Struct:
    options.setdefault("doReturnResults", True)
    return task.parseAndRun(["tiny", *words], repositories=site, **options)


def stored(site: Repositories, run_name: str, dataset_type: str) -> list[dict[str, Any]]:
    with site.butler("tiny") as butler:
        if dataset_type not in [kind.name for kind in butler.registry.queryDatasetTypes(dataset_type)]:
            return []
        refs = butler.query_datasets(dataset_type, collections=[run_name], explain=False, find_first=False)
        return [dict(ref.dataId.required) for ref in refs]


def runs(site: Repositories) -> set[str]:
    with site.butler("tiny") as butler:
        return set(butler.collections.query("*"))


def test_targets_run_in_command_line_order_and_leave_records(site: Repositories) -> None:
    struct = run(site, LevelTask, "--id", "exposure=2^1", "detector=1^0", "instrument=CAM", "-c", "scale=2")

    assert [result.result for result in struct.resultList] == [402.0, 400.0, 202.0, 200.0]
    assert [result.exitStatus for result in struct.resultList] == [0] * 4
    own = struct.parsedCmd.run
    assert len(stored(site, own, "levelOf")) == 4
    assert len(stored(site, own, "level_metadata")) == 4
    for record in ("level_config", "level_config_json", "level_packages"):
        assert stored(site, own, record) == [{}]
    with site.butler("tiny") as butler:
        assert butler.get("level_config", collections=[own]).scale == 2.0
        assert butler.get("level_config_json", collections=[own])["scale"] == 2.0
        assert butler.get("level_packages", collections=[own])["lsst-daf-butler"]
    assert own.startswith("u/tester/level/")


def test_a_failed_target_is_counted_and_has_its_metadata(site: Repositories) -> None:
    struct = run(site, LevelTask, *ALL, "-c", "fails_on=2", "empty_on=5", "--noExit")

    assert [result.exitStatus for result in struct.resultList] == [0, 0, 1, 1, 0, 0]
    assert [getattr(result, "noWork", False) for result in struct.resultList] == [False] * 4 + [True] * 2
    assert len(stored(site, struct.parsedCmd.run, "level_metadata")) == 6
    with pytest.raises(SystemExit) as end:
        run(site, LevelTask, *ALL, "-c", "fails_on=2")
    assert end.value.code == 2


def test_under_doraise_the_error_is_raised_and_metadata_written(site: Repositories) -> None:
    before = runs(site)
    with pytest.raises(ValueError, match="exposure 1 is bad"):
        run(site, LevelTask, *ALL, "-c", "fails_on=1", "--doraise")
    (own,) = runs(site) - before
    assert stored(site, own, "level_metadata") == [{"instrument": "CAM", "exposure": 1, "detector": 0}]


def test_without_returned_results_only_the_exit_status_is_there(site: Repositories) -> None:
    struct = run(site, LevelTask, "--id", "exposure=1", "detector=0", doReturnResults=False)
    assert struct.resultList[0].getDict() == {"exitStatus": 0}


def test_a_runner_of_case_1_passes_keyword_arguments(site: Repositories) -> None:
    struct = run(site, FactorTask, "--id", "exposure=1", "--factor", "3")
    assert [result.result for result in struct.resultList] == [300.0, 303.0]
    assert struct.parsedCmd.options == {"factor": 3.0}


def test_a_runner_of_case_2_gets_lists_of_bound_references(site: Repositories) -> None:
    struct = run(site, ExposureTask, *ALL)
    assert [result.levels for result in struct.resultList] == [[100.0, 101.0], [200.0, 201.0], [500.0, 501.0]]


def test_a_task_gets_the_butler_it_wants_before_and_in_targets(site: Repositories) -> None:
    struct = run(site, ButlerLevelTask, "--id", "exposure=1", "detector=0")
    assert struct.resultList[0].result == [1, 2, 5]


def test_several_processes_give_the_same_results_in_order(site: Repositories) -> None:
    seen: list[tuple[int, int]] = []
    struct = run(site, LevelTask, *ALL, "-j", "2", progress=lambda done, total: seen.append((done, total)))

    assert [result.result for result in struct.resultList] == [100.0, 101.0, 200.0, 201.0, 500.0, 501.0]
    assert seen == [(done, 6) for done in range(7)]
    pids = {result.metadata["pid"] for result in struct.resultList}
    assert len(pids) == 2
    assert os.getpid() not in pids
    assert len(stored(site, struct.parsedCmd.run, "level_metadata")) == 6


def test_a_dead_process_is_reported_by_target_and_others_go_on(
    site: Repositories, caplog: pytest.LogCaptureFixture
) -> None:
    struct = run(site, LevelTask, *ALL, "-j", "2", "-c", "dies_on=2", "--noExit")

    assert [result.exitStatus for result in struct.resultList] == [0, 0, 1, 1, 0, 0]
    assert "exposure=2 detector=0 instrument='CAM': its process was ended by SIGKILL" in caplog.text
    endings = struct.taskRunner.endings
    assert [one.state.value for one in endings] == ["done", "done", "failed", "failed", "done", "done"]
    assert endings[2].error_text == "its process was ended by SIGKILL"
    assert all(one.seconds for one in endings if one.state == "done")


def test_the_time_limit_ends_all_processes(site: Repositories) -> None:
    with pytest.raises(TimeoutError, match="were still running"):
        run(site, LevelTask, *ALL, "-j", "2", "-t", "6", "-c", "sleep_s=60")


def test_two_runs_into_one_run_collection_need_the_same_config(site: Repositories) -> None:
    run(site, LevelTask, "--id", "exposure=1", "detector=0", "-o", "u/test/shared", "-c", "scale=2")
    again = run(site, LevelTask, "--id", "exposure=1", "detector=1", "-o", "u/test/shared", "-c", "scale=2")
    assert len(stored(site, "u/test/shared", "levelOf")) == 2
    assert again.parsedCmd.ownRun is False

    words = ["--id", "exposure=2", "detector=0", "-o", "u/test/shared", "-c", "scale=3", "fails_on=9", "--doraise"]
    with pytest.raises(TaskError) as error:
        run(site, LevelTask, *words)
    assert "scale: 2.0 there, 3.0 here" in str(error.value)
    assert "fails_on: [] there, [9] here" in str(error.value)
    assert "leave out -o" in str(error.value)
    assert len(stored(site, "u/test/shared", "levelOf")) == 2


def test_a_failed_precall_is_a_failure(site: Repositories, caplog: pytest.LogCaptureFixture) -> None:
    run(site, LevelTask, "--id", "exposure=1", "detector=0", "-o", "u/test/once")
    with pytest.raises(SystemExit) as end:
        run(site, LevelTask, "--id", "exposure=1", "detector=0", "-o", "u/test/once", "-c", "scale=9")
    assert end.value.code == 1
    assert "scale: 1.0 there, 9.0 here" in caplog.text


def test_other_package_versions_mismatch_unless_left_out(site: Repositories, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--id", "exposure=1", "detector=0", "-o", "u/test/versions", "--doraise"]
    run(site, LevelTask, *words)
    from underbutler.pipe import cmdline_task

    monkeypatch.setattr(cmdline_task, "package_versions", lambda: {"python": "2.7", "new-package": "1"})
    with pytest.raises(TaskError, match=r"python: '3.*' there, '2\.7' here\."):
        run(site, LevelTask, *words)
    assert run(site, LevelTask, *words, "--no-versions").resultList[0].exitStatus == 0


def test_outputs_may_go_to_another_repository(site: Repositories, tmp_path: Path) -> None:
    create_repository(tmp_path / "other", "other", site.settings, [CAMERA])
    struct = run(site, LevelTask, "--id", "exposure=1^5", "detector=0", "--out", "other", "-c", "scale=2")

    assert [result.result for result in struct.resultList] == [200.0, 1000.0]
    own = struct.parsedCmd.run
    assert own not in runs(site)
    with site.butler("other", collections=[own]) as butler:
        assert butler.get("levelOf", instrument="CAM", exposure=5, detector=0) == {"level": 1000.0}
        assert butler.get("level_metadata", instrument="CAM", exposure=1, detector=0)["level"]["pid"]


class BrokenTask(LevelTask):
    """Its schema cannot be stored."""

    _DefaultName = "broken"

    def writeSchemas(self, butler: Any, clobber: bool = False, doBackup: bool = False) -> None:
        raise TaskError("no schema")


def test_a_precall_that_fails_late_leaves_nothing(site: Repositories) -> None:
    before = runs(site)
    with pytest.raises(TaskError, match="no schema"):
        run(site, BrokenTask, "--id", "exposure=1", "--doraise")
    assert runs(site) == before


class LostRunner(LevelTask.RunnerClass):
    """Cannot tell its targets."""

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        raise UsageError("no targets can be told")


class LostTask(LevelTask):
    RunnerClass = LostRunner
    _DefaultName = "lost"


def test_targets_that_cannot_be_told_leave_nothing(site: Repositories) -> None:
    before = runs(site)
    with pytest.raises(UsageError, match="no targets can be told"):
        run(site, LostTask, "--id", "exposure=1")
    assert run(site, LevelTask, "--id", "exposure=77", "--allow-empty").resultList == []
    assert runs(site) == before


def test_an_undeclared_output_is_named_with_its_cure(site: Repositories, caplog: pytest.LogCaptureFixture) -> None:
    class Careless(LevelTask):
        _DefaultName = "careless"
        datasetTypes = {}

    with pytest.raises(SystemExit):
        run(site, Careless, "--id", "exposure=1", "detector=0")
    assert "'levelOf' is not declared" in caplog.text


def test_a_python_config_file_is_taken_here_and_shown(
    site: Repositories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "more.py"
    file.write_text("config.scale = 7.0\n")
    with pytest.raises(SystemExit) as end:
        run(site, LevelTask, "-C", str(file), "--show", "config=sc*", "history=scale")
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "scale=7.0" in out
    assert "# factor of the level" in out
    assert "more.py:1" in out
