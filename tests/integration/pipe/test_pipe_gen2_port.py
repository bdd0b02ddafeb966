"""Tasks as their authors wrote them in 2019: only the imports are others, and `datasetTypes` is new."""

from __future__ import annotations

import pytest

from examples.gen2_port.stack import StackTask
from examples.gen2_port.subtract import SubtractTask
from underbutler.butlers import Repositories


def test_a_gen2_task_runs_with_new_imports_and_declared_outputs(site: Repositories) -> None:
    struct = SubtractTask.parseAndRun(
        ["tiny", "--id", "exposure=1^2", "detector=0..1", "--offset", "7", "--other", "detector=8^9"],
        repositories=site,
        doReturnResults=True,
    )

    assert [result.exitStatus for result in struct.resultList] == [0] * 4
    assert all((result.result.image == 7).all() for result in struct.resultList)
    first = struct.resultList[0]
    assert first.result.others == [{"detector": 8}, {"detector": 9}]
    assert first.result.others is not struct.resultList[1].result.others
    assert f"/{struct.parsedCmd.run}/subtracted/" in first.result.uri
    assert first.metadata["level"] == 100.0

    run = struct.parsedCmd.run
    with site.butler("tiny", collections=[run]) as butler:
        metadata = butler.get("subtract_metadata", instrument="CAM", exposure=1, detector=0)
        assert metadata["subtract:background"]["nPixels"] == 24
        assert metadata["subtract"]["level"] == 100.0
        assert butler.get("subtract_settings").background.statistic == "MEAN"
        assert butler.get("subtractSrc_schema") == {"columns": ["x", "y", "flux"]}
        assert (butler.get("subtracted", instrument="CAM", exposure=2, detector=1) == 7).all()


def test_its_validation_speaks_on_the_command_line(site: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        SubtractTask.parseAndRun(["tiny", "--id", "exposure=1", "-c", "doWrite=False"], repositories=site)
    assert end.value.code == 2
    assert "a mean that is not written is of no use" in capsys.readouterr().err


def test_lists_of_references_with_kwargs_are_targets(site: Repositories) -> None:
    """Pixels are 100 × exposure + detector: the median of exposures 1, 2 and 5 is 200 + detector."""
    struct = StackTask.parseAndRun(
        ["tiny", "--id", "exposure=1^2^5", "detector=0^1"], repositories=site, doReturnResults=True
    )

    assert [result.exitStatus for result in struct.resultList] == [0, 0]
    with site.butler("tiny", collections=[struct.parsedCmd.run]) as butler:
        assert (butler.get("stacked", instrument="CAM", detector=1) == 201).all()
        metadata = butler.get("stack_metadata", instrument="CAM", exposure=1, detector=1)
        assert metadata["stack"]["nExposures"] == 3


def test_a_list_that_is_too_short_fails_by_itself(site: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    struct = StackTask.parseAndRun(["tiny", "--id", "exposure=1", "--noExit"], repositories=site, doReturnResults=True)
    assert [result.exitStatus for result in struct.resultList] == [1, 1]
