"""The command line of a task against a real repository: what it finds, and how it says what is wrong."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.pipe_site import FactorTask, LevelTask
from underbutler.butlers import Repositories
from underbutler.errors import UnknownNameError, UsageError
from underbutler.pipe import ArgumentParser, ConfigDatasetType, DatasetArgument, show


def parse(site: Repositories, *words: str, task: Any = LevelTask, label: str = "tiny", **options: Any) -> Any:
    return task._makeArgumentParser().parse(
        task.ConfigClass(), [label, *words], override=task.applyOverrides, repositories=site, **options
    )


def exposures_and_detectors(command: Any) -> list[tuple[Any, Any]]:
    return [(ref.dataId["exposure"], ref.dataId["detector"]) for ref in command.id.refList]


def test_later_keys_vary_fastest_and_values_are_cast(site: Repositories) -> None:
    command = parse(site, "--id", "detector=1^0", "instrument=CAM", "exposure=2^1")

    assert command.id.idList == [
        {"detector": detector, "instrument": "CAM", "exposure": exposure}
        for detector, exposure in itertools.product((1, 0), (2, 1))
    ]
    assert [ref.dataId for ref in command.id.refList] == command.id.idList
    assert str(command.id.refList[0]) == "detector=1 exposure=2 instrument='CAM'"


def test_a_range_over_exposures_is_what_exists_with_both_ends(site: Repositories) -> None:
    assert exposures_and_detectors(parse(site, "--id", "exposure=2..5", "detector=0")) == [(2, 0), (5, 0)]
    assert exposures_and_detectors(parse(site, "--id", "exposure=1..5:2", "detector=0")) == [(1, 0), (5, 0)]
    assert exposures_and_detectors(parse(site, "--id", "exposure=1^5..9", "detector=0..1")) == [
        (1, 0),
        (1, 1),
        (5, 0),
        (5, 1),
    ]


def test_keys_that_are_left_out_are_taken_whole(site: Repositories) -> None:
    assert len(parse(site, "--id", "instrument=CAM").id.refList) == 6
    assert len(parse(site, "--id", "day_obs=20261120").id.refList) == 6
    assert exposures_and_detectors(parse(site, "-d", "exposure.observation_type = 'bias'")) == [(5, 0), (5, 1)]


def test_repeated_ids_are_appended_and_each_data_id_taken_once(
    site: Repositories, caplog: pytest.LogCaptureFixture
) -> None:
    command = parse(site, "--id", "exposure=5", "detector=0", "--id", "exposure=1..5", "detector=0")
    assert exposures_and_detectors(command) == [(5, 0), (1, 0), (2, 0)]
    assert "1 data IDs were named more than once" in caplog.text


def test_the_command_has_what_a_record_needs(site: Repositories) -> None:
    job = uuid.UUID("01a2b3c4-0000-7000-8000-00001a2b3c4d")
    command = parse(site, "--id", "exposure=1", "detector=0", "-c", "scale=2", job=job, user="ann")

    assert command.run.startswith("u/ann/level/")
    assert command.run.endswith("-1a2b3c4d")
    assert command.ownRun is True
    assert command.collections == ("CAM/raw", "CAM/calib")
    assert command.overrides == [["scale", 2.0]]
    assert command.config_json["scale"] == 2.0
    assert len(command.config_digest) == 64
    assert command.versions["lsst-daf-butler"]
    (ref,) = command.id.refList
    assert (ref.repo, ref.out, ref.run, ref.dataset_type) == ("tiny", "tiny", command.run, "raw")
    assert ref.universe[0] == "daf_butler"
    assert ref.get().data[0, 0] == 100


def test_parsing_writes_nothing(site: Repositories) -> None:
    with site.butler("tiny") as butler:
        before = set(butler.collections.query("*"))
        parse(site, "--id", "exposure=1", "-o", "u/new")
        assert set(butler.collections.query("*")) == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--id", "exposure=1..x"], "'1..x' is not a range"),
        (["--id", "exposure=5..1"], "descends; write 1..5"),
        (["--id", "exposure=1", "exposure=2"], "the key 'exposure' twice"),
        (["--id", "exposure=one"], "Dimension exposure: the value 'one' is not of type int"),
        (["--id", "exposur=1"], "No dimension is called 'exposur'. Did you mean 'exposure'?"),
        (["--id", "physical_filter=1..3"], "a range needs a dimension of integers"),
        (["--id", "exposure=3", "detector=0"], "no raw in CAM/raw, CAM/calib of 'tiny' matches exposure=3 detector=0"),
        (["--id", "exposure=1^3", "detector=0"], "for exposure=3 detector=0"),
        (["--id", "exposure=6..9"], "matches exposure=6..9"),
        (["--id", "instrument=CAN"], "No instrument is called 'CAN'. Did you mean 'CAM'?"),
        (["--id"], "--id: expected at least one argument"),
        ([], "No data is named: give --id KEY=VALUE"),
        (
            ["--id", "exposure=1", "--collections", "CAM/row"],
            "No collection is called 'CAM/row'. Did you mean 'CAM/raw'?",
        ),
        (["--id", "exposure=1", "-o", "CAM/calib"], "is CALIBRATION, and outputs need a RUN"),
        (["--id", "exposure=1", "--clobber-config", "-o", "CAM/raw"], "--clobber-config means a new RUN"),
        (["--id", "exposure=1", "-c", "scal=2"], "There is no config field 'scal'"),
        (["--id", "exposure=1", "-c", "scale=big"], "Config scale takes a float, not 'big'"),
        (["--id", "exposure=1", "--rerun", "x"], "--rerun is not taken: outputs go to a RUN collection"),
        (["--id", "exposure=1", "--output", "x"], "or name one with -o RUN"),
        (["--id", "exposure=1", "--calib", "x"], "--collections A,B"),
        (["--id", "exposure=1", "--clobber-output"], "leave out -o"),
        (["--id", "exposure=1", "--allow-emtpy"], "has no option '--allow-emtpy'. Did you mean '--allow-empty'?"),
        (["--id", "exposure=1", "--show", "cfg"], "--show does not know 'cfg'"),
        (["--id", "exposure=1", "--loglevel", "LOUD"], "'LOUD' is not a level"),
        (["--id", "exposure=1", "-j", "0"], "is less than 1"),
        (["--id", "detector=3..999999"], "no raw in"),
        (["--id", "exposure=" + "^".join(map(str, range(400))), "detector=" + "^".join(map(str, range(400)))], "--yes"),
        (["--id", "exposure=1", "-C", "over.py"], "a Python file is executed"),
        (["--id", "exposure=1", "-C", "absent.toml"], "absent.toml cannot be read"),
        (["--id", "exposure=1", "@absent"], "@absent cannot be read"),
        (["--id", "exposure=1", "--out", "other"], "No repository is called 'other'"),
    ],
)
def test_bad_input_is_told_by_name_and_cure(site: Repositories, words: list[str], text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(site, *words)
    assert text in str(error.value)


def test_an_unknown_label_lists_the_known_ones(site: Repositories) -> None:
    with pytest.raises(UnknownNameError, match=r"No repository is called 'tinny'. Did you mean 'tiny'"):
        parse(site, "--id", "exposure=1", label="tinny")
    with pytest.raises(UsageError, match="label of a repository comes first"):
        parse(site, label="--id")


def test_a_query_takes_what_exists_and_names_empty_values(site: Repositories, caplog: pytest.LogCaptureFixture) -> None:
    command = parse(site, "--id", "instrument=CAM", "exposure=1..4", "detector=0^7")
    assert exposures_and_detectors(command) == [(1, 0), (2, 0)]
    assert "no raw in CAM/raw, CAM/calib of 'tiny' for detector=7 instrument='CAM'" in caplog.text
    assert exposures_and_detectors(parse(site, "--id", "exposure=1^5", "-d", "exposure.id > 2")) == [(5, 0), (5, 1)]


def test_with_allow_empty_missing_data_are_named_and_left_out(
    site: Repositories, caplog: pytest.LogCaptureFixture
) -> None:
    command = parse(site, "--id", "exposure=1^3", "detector=0", "--allow-empty")
    assert exposures_and_detectors(command) == [(1, 0)]
    assert "exposure=3" in caplog.text


def test_a_program_given_bad_input_exits_with_2_and_a_sentence(
    site: Repositories, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        LevelTask.parseAndRun(["tiny", "--id", "exposur=1"], repositories=site)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.err.startswith("level: error: No dimension is called 'exposur'.")
    assert said.out == ""


def test_overrides_come_in_the_order_of_the_command_line(site: Repositories, tmp_path: Path) -> None:
    file = tmp_path / "over.toml"
    file.write_text("scale = 3\nfails_on = [7, 8]\n")
    first = parse(site, "--id", "exposure=1", "-c", "scale=2", "-C", str(file))
    last = parse(site, "--id", "exposure=1", "-C", str(file), "-c", "scale=2")
    assert first.config.scale == 3.0
    assert last.config.scale == 2.0
    assert last.overrides == [["scale", 3.0], ["fails_on", [7, 8]], ["scale", 2.0]]


def test_words_may_come_from_a_file(site: Repositories, tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text("# what we look at\n--id exposure=1 'detector=0'\n-c scale=2 # twice\n")
    command = parse(site, f"@{file}")
    assert exposures_and_detectors(command) == [(1, 0)]
    assert command.config.scale == 2.0
    with pytest.raises(UsageError, match="files are not read here"):
        parse(site, f"@{file}", allow_files=False)
    with pytest.raises(UsageError, match="files are not read here"):
        parse(site, "--id", "exposure=1", "-C", str(file), allow_files=False)


def test_targets_and_data_are_shown_without_running(site: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        FactorTask.parseAndRun(["tiny", "--id", "exposure=1", "--show", "targets", "data"], repositories=site)
    assert end.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        "exposure=1 detector=0 instrument='CAM'  factor=2.0",
        "exposure=1 detector=1 instrument='CAM'  factor=2.0",
        "--id raw exposure=1 detector=0 instrument='CAM'",
        "--id raw exposure=1 detector=1 instrument='CAM'",
    ]
    command = parse(site, "--show", "config=SCALE", "config=sleep*")
    assert show(command).splitlines()[1::2] == ["scale=1.0", "sleep_s=0.0"]
    with pytest.raises(UsageError, match="No config field matches 'SCALE'"):
        show(parse(site, "--show", "config=SCALE:NOIGNORECASE"))


def test_an_id_argument_may_hold_names_only(site: Repositories) -> None:
    parser = ArgumentParser(name="names")
    parser.add_id_argument("--id", "raw", help="data")
    parser.add_id_argument("--inputId", None, help="inputs", doMakeDataRefList=False)
    words = ["tiny", "--id", "exposure=1", "--inputId", "exposure=3^4", "detector=0", "--inputId", "exposure=1..4"]
    command = parser.parse(LevelTask.ConfigClass(), words, repositories=site)
    assert command.inputId.idList == [
        {"exposure": 3, "detector": 0},
        {"exposure": 4, "detector": 0},
        {"exposure": 1},
        {"exposure": 2},
    ]
    assert command.inputId.refList == []


def test_an_output_is_named_by_dimensions_and_need_not_exist(site: Repositories) -> None:
    parser = ArgumentParser(name="level")
    parser.add_id_argument("--id", "levelOf", help="output")
    parser.add_id_argument("--coarse", "raw", help="inputs", level="exposure")
    words = ["tiny", "--id", "exposure=1..2", "detector=0", "--coarse", "detector=0"]
    command = parser.parse(LevelTask.ConfigClass(), words, repositories=site, task_class=LevelTask)
    assert exposures_and_detectors(command) == [(1, 0), (2, 0)]
    assert [dict(ref.dataId) for ref in command.coarse.refList] == [
        {"exposure": exposure, "instrument": "CAM"} for exposure in (1, 2, 5)
    ]
    with pytest.raises(UnknownNameError, match="No dataset type is called 'levelOf'"):
        parser.parse(LevelTask.ConfigClass(), words, repositories=site)


def test_a_dataset_type_may_come_from_an_option_or_the_config(site: Repositories) -> None:
    parser = ArgumentParser(name="dynamic")
    parser.add_id_argument("--id", DatasetArgument("--dstype", default="raw"), help="data")
    command = parser.parse(LevelTask.ConfigClass(), ["tiny", "--id", "exposure=1"], repositories=site)
    assert command.id.datasetType == "raw"
    with pytest.raises(UnknownNameError, match=r"No dataset type is called 'row'. Did you mean 'raw'"):
        parser.parse(LevelTask.ConfigClass(), ["tiny", "--id", "exposure=1", "--dstype", "row"], repositories=site)
    other = ArgumentParser(name="dynamic")
    other.add_id_argument("--id", ConfigDatasetType("nothing"), help="data")
    with pytest.raises(UsageError, match="'nothing' should name a dataset type"):
        other.parse(LevelTask.ConfigClass(), ["tiny", "--id", "exposure=1"], repositories=site)
