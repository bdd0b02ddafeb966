"""What a runner promises a Gen2 author, without a repository."""

from __future__ import annotations

import logging
import pickle
from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import lsst.pex.config as pexConfig
import pytest
from lsst.pipe.base import NoWorkFound

from tests.support.echo_task import LOG, EchoConfig, EchoTask, command
from underbutler import (
    ArgumentParser,
    ButlerInitializedTaskRunner,
    DatasetSpec,
    Struct,
    TaskError,
    TaskRunner,
)
from underbutler.errors import TransientError, UsageError
from underbutler.pipe import task_options, worker_command
from underbutler.pipe.job_types import declared_types, record_types


class Ref:
    """A reference that remembers what is put, and can refuse it."""

    def __init__(self, number: int = 1, *, is_full: bool = False) -> None:
        self.number = number
        self.is_full = is_full
        self.stored: dict[str, Any] = {}

    def put(self, obj: Any, datasetType: str) -> None:
        if self.is_full:
            raise OSError("disk full")
        self.stored[datasetType] = obj

    def getButler(self) -> str:
        return "the reference's butler"

    def __str__(self) -> str:
        return f"number={self.number}"


class ButlerTask(EchoTask):
    _DefaultName = "butlerEcho"

    def __init__(self, butler: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.butler = butler


def test_the_time_limit_is_the_seeds_unless_positive() -> None:
    assert TaskRunner.TIMEOUT == 2592000
    for given, expected in ((None, 2592000), (0, 2592000), (-1, 2592000), (5.0, 5.0)):
        assert TaskRunner(EchoTask, command(timeout=given)).timeout == expected


def test_each_target_has_its_own_copy_of_the_keyword_arguments() -> None:
    refs = [Ref(1), Ref(2)]
    targets = TaskRunner.getTargetList(Namespace(id=SimpleNamespace(refList=refs)), calExpList=[{"visit": 1}])
    assert targets == [(refs[0], {"calExpList": [{"visit": 1}]}), (refs[1], {"calExpList": [{"visit": 1}]})]
    targets[0][1]["calExpList"].append({"visit": 2})
    assert targets[1][1] == {"calExpList": [{"visit": 1}]}


def test_a_target_that_succeeds_returns_all_and_stores_metadata() -> None:
    ref = Ref()
    struct = TaskRunner(EchoTask, command(), doReturnResults=True)((ref, {"a": 1}))
    assert sorted(struct.getDict()) == ["dataRef", "exitStatus", "metadata", "result"]
    assert (struct.exitStatus, struct.dataRef, struct.result) == (0, ref, {"a": 1})
    assert struct.metadata["begun"] is True
    assert ref.stored["echo_metadata"]["echo"]["begun"] is True
    assert TaskRunner(EchoTask, command())((ref, {})).getDict() == {"exitStatus": 0}


@pytest.mark.parametrize(("raises", "has_traceback"), [("value", True), ("task", False)])
def test_a_target_that_fails_is_told_and_stores_its_metadata(
    raises: str, has_traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ref = Ref()
    struct = TaskRunner(EchoTask, command(raises), doReturnResults=True)((ref, {}))
    assert (struct.exitStatus, struct.result) == (1, None)
    assert struct.metadata["begun"] is True
    assert "echo_metadata" in ref.stored
    assert f"Failed on number=1: {'ValueError' if raises == 'value' else 'TaskError'}: told to raise" in caplog.text
    assert ("Traceback" in caplog.text) is has_traceback


@pytest.mark.parametrize(("raises", "kind"), [("value", ValueError), ("task", TaskError), ("work", NoWorkFound)])
def test_under_doraise_it_comes_through_and_metadata_is_stored(raises: str, kind: type[BaseException]) -> None:
    ref = Ref()
    with pytest.raises(kind):
        TaskRunner(EchoTask, command(raises, doraise=True))((ref, {}))
    assert "echo_metadata" in ref.stored


def test_no_work_is_no_failure_and_is_marked() -> None:
    ref = Ref()
    struct = TaskRunner(EchoTask, command("work"), doReturnResults=True)((ref, {}))
    assert (struct.exitStatus, struct.noWork, struct.result) == (0, True, None)
    assert "echo_metadata" in ref.stored


def test_a_retried_targets_metadata_waits_until_told_to_write() -> None:
    ref, runner = Ref(), TaskRunner(EchoTask, command("away", doraise=True))
    with pytest.raises(TransientError):
        runner((ref, {}))
    assert ref.stored == {}
    assert runner.lastMetadata["echo"]["begun"] is True
    runner.writeLastMetadata(ref)
    assert ref.stored["echo_metadata"]["echo"]["begun"] is True


def test_a_list_of_references_stores_its_metadata_once(caplog: pytest.LogCaptureFixture) -> None:
    refs = [Ref(1), Ref(2)]
    with caplog.at_level(logging.INFO):
        struct = TaskRunner(EchoTask, command(), doReturnResults=True)((refs, {"a": 1}))
    assert (struct.exitStatus, struct.dataRef, struct.result) == (0, refs, {"a": 1})
    assert ["echo_metadata" in ref.stored for ref in refs] == [True, False]
    assert "is written once, for number=1" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_list_of_references_gives_its_task_a_butler() -> None:
    for args in (([Ref(1), Ref(2)], {}), [Ref(1), Ref(2), Ref(3)]):
        assert ButlerInitializedTaskRunner(ButlerTask, command()).makeTask(args=args).butler == "the reference's butler"


def test_metadata_that_cannot_be_stored_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    struct = TaskRunner(EchoTask, command())((Ref(is_full=True), {}))
    assert struct.exitStatus == 0
    assert "Metadata echo_metadata of number=1 is not written: OSError: disk full" in caplog.text


def test_a_butler_comes_from_the_command_then_the_reference() -> None:
    runner = ButlerInitializedTaskRunner(ButlerTask, command())
    assert runner.makeTask(parsedCmd=command(), args=(Ref(), {})).butler == "the command's butler"
    assert runner.makeTask(args=(Ref(), {})).butler == "the reference's butler"
    assert runner.makeTask(args=([Ref(), Ref()], {})).butler == "the reference's butler"
    with pytest.raises(RuntimeError):
        runner.makeTask()
    assert TaskRunner(EchoTask, command()).makeTask().config.raises == ""


def test_a_runner_is_pickled_without_what_one_process_holds() -> None:
    runner = TaskRunner(EchoTask, command(), doReturnResults=True)
    runner((Ref(), {}))
    again = pickle.loads(pickle.dumps(runner))
    assert (again.TaskClass, again.doReturnResults, again.lastMetadata) == (EchoTask, True, None)
    assert again((Ref(), {"a": 2})).result == {"a": 2}


class Quiet(TaskRunner):
    """Says no."""

    def precall(self, parsedCmd: Any) -> bool:
        return False


class Silent(TaskRunner):
    """Needs no preparation, and has targets of its own kind."""

    def precall(self, parsedCmd: Any) -> bool:
        return True

    @staticmethod
    def getTargetList(parsedCmd: Any, **kwargs: Any) -> list[Any]:
        return parsedCmd.targets

    def __call__(self, args: Any) -> Struct:
        if args == "bad":
            raise ValueError(args)
        return Struct(exitStatus=int(args == "failed"))


def test_a_precall_that_fails_gives_no_results() -> None:
    runner = Quiet(EchoTask, command())
    assert runner.run(command()) == []
    assert runner.precallFailed
    with pytest.raises(UsageError, match="precall refused"):
        runner.precall_or_raise(command())


def test_no_target_is_a_warning_and_an_empty_list(caplog: pytest.LogCaptureFixture) -> None:
    runner = Silent(EchoTask, command())
    assert runner.run(command(targets=[])) == []
    assert "has nothing to do" in caplog.text
    assert not runner.precallFailed


def test_results_keep_the_order_of_targets_of_any_kind() -> None:
    given = command(targets=["a", "failed", "bad", "b"], processes=1)
    assert [struct.exitStatus for struct in Silent(EchoTask, given).run(given)] == [0, 1, 1, 0]


class Lonely(EchoTask):
    canMultiprocess = False


def test_a_task_that_cannot_is_run_in_one_process(caplog: pytest.LogCaptureFixture) -> None:
    assert TaskRunner(Lonely, command(processes=4)).numProcesses == 1
    assert "does not run in several processes" in caplog.text


def test_a_worker_has_the_command_that_the_submitter_had() -> None:
    parser = ArgumentParser(name="echo")
    parser.add_id_argument("--id", "raw", help="data")
    parser.add_argument("--factor", type=float, default=2.0)
    parser.add_argument("--pair", nargs=2, type=int)
    parser.add_argument("--flag", action="store_true")
    given = Namespace(factor=3.0, pair=(1, 2), flag=True, doraise=False, id=object())
    options = task_options(parser, given)
    assert options == {"factor": 3.0, "pair": [1, 2], "flag": True}

    made = worker_command(EchoTask, [["raises", "work"]], options, "butler", LOG)
    assert (made.config.raises, made.butler, made.log, made.doraise, made.processes) == ("work", "butler", LOG, True, 1)
    assert (made.factor, made.pair, made.flag, made.timeout) == (3.0, [1, 2], True, 2592000)
    with pytest.raises(pexConfig.FieldValidationError):
        made.config.raises = ""
    with pytest.raises(NoWorkFound):
        EchoTask.RunnerClass(TaskClass=EchoTask, parsedCmd=made, doReturnResults=True)((Ref(), {}))


def test_an_option_that_is_not_json_is_refused_by_name() -> None:
    parser = ArgumentParser(name="echo")
    parser.add_argument("--file")
    with pytest.raises(UsageError, match="The option 'file' is a"):
        task_options(parser, Namespace(file=object()))
    with pytest.raises(UsageError, match="has an option 'butler'"):
        worker_command(EchoTask, [], {"butler": 1})


def test_the_dataset_types_of_a_job_are_the_tasks_and_frames() -> None:
    types = record_types(EchoTask(config=EchoConfig()), ("instrument", "exposure"))
    assert {name: (spec.dimensions, spec.storageClass) for name, spec in types.items()} == {
        "echo_config": ((), "Config"),
        "echo_config_json": ((), "StructuredDataDict"),
        "echo_packages": ((), "Packages"),
        "echo_metadata": (("instrument", "exposure"), "TaskMetadata"),
        "echoed": (("instrument",), "StructuredDataDict"),
    }
    assert list(declared_types(EchoTask, EchoConfig())) == ["echo_metadata", "echoed"]
    with pytest.raises(UsageError, match="sequence of dimension names"):
        DatasetSpec("instrument", "StructuredDataDict")  # type: ignore[arg-type]


def test_a_backup_is_refused() -> None:
    task = EchoTask(config=EchoConfig())
    for write in (task.writeConfig, task.writeSchemas, task.writePackageVersions):
        with pytest.raises(UsageError, match="doBackup has no meaning here"):
            write(None, doBackup=True)


def test_an_exit_status_never_reads_as_success(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(EchoTask):
        RunnerClass = Silent

    class Parser:
        def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:
            from contextlib import ExitStack

            return command(targets=["failed"] * 256, noExit=False, resources=ExitStack())

    monkeypatch.setattr(Failing, "_makeArgumentParser", classmethod(lambda cls: Parser()))
    with pytest.raises(SystemExit) as end:
        Failing.parseAndRun([])
    assert end.value.code == 255
