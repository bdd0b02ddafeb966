"""The look before: what targets of the science tasks lack is told at once, grouped, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.make_calib import MakeBiasTask, MakeDarkTask, MakeFlatTask
from tasks.process_ccd import ProcessCcdTask
from tasks.validity import certify, parse_validity
from underbutler.butlers import CcdImage, Repositories
from underbutler.pipe.datasets import register_dataset_types
from underbutler.pipe.findings import FindingsError, Look
from underbutler.testing.night import Night

NIGHT = "2026-11-20T12:00:00..2026-11-21T12:00:00"
SKY = ("--id", "instrument=SIMCAM", "-d", "exposure.observation_type = 'science'")
FRAMES = ("--inputId", "instrument=SIMCAM")


def look(site: Repositories, task: Any, *words: str) -> Look:
    command = task._makeArgumentParser().parse(task.ConfigClass(), ["sim", *words], repositories=site, task_class=task)
    with command.resources:
        found: Look = task.lookBefore(task.RunnerClass.getTargetList(command), command)
        return found


def told(found: Look) -> list[str]:
    return [f"{one.group}: {one.what}" for one in found.refusals]


@pytest.fixture
def masters(site: Repositories) -> Any:
    """Certify a master of ones for a data ID, over a time."""

    def make(name: str, validity: str = NIGHT, **data_id: Any) -> None:
        task = {"bias": MakeBiasTask, "dark": MakeDarkTask, "flat": MakeFlatTask}[name]
        run = f"u/tester/{name}/{validity}".replace("..", "-").replace(":", "")
        with site.butler("sim", writeable=True) as butler:
            register_dataset_types(butler, {name: task.datasetTypes[name]})
            butler.collections.register(run)
            ones = np.ones((128, 160), dtype=np.float32)
            mask = np.zeros(ones.shape, dtype=np.int32)
            image = CcdImage(image=ones, mask=mask, variance=ones, header={}, wcs=None, unit="electron", mask_planes={})
            ref = butler.put(image, name, {"instrument": "SIMCAM", **data_id}, run=run)
            certify(butler, "SIMCAM/calib", ref.id, parse_validity(validity), replace=False)

    return make


def test_every_missing_master_is_told_at_once(site: Repositories) -> None:
    found = look(site, ProcessCcdTask, *SKY, "-c", "doDark=true")
    assert [f"{one.group}: {one.what.split(' in ')[0]}" for one in found.refusals] == [
        "2 frames of SIMCAM detector 0: no bias",
        "2 frames of SIMCAM detector 1: no bias",
        "2 frames of SIMCAM detector 0: no dark",
        "2 frames of SIMCAM detector 1: no dark",
        "1 frame of SIMCAM detector 0, filter g: no flat",
        "1 frame of SIMCAM detector 0, filter r: no flat",
        "1 frame of SIMCAM detector 1, filter g: no flat",
        "1 frame of SIMCAM detector 1, filter r: no flat",
    ]
    assert found.failing == {0, 1, 2, 3}
    assert "underbutler submit makeBias sim --inputId instrument=SIMCAM detector=0" in found.refusals[0].cure
    assert found.words == ("-c", "doBias=false", "doDark=false", "doFlat=false")


def test_the_words_to_copy_let_it_run(site: Repositories) -> None:
    found = look(site, ProcessCcdTask, *SKY)
    assert look(site, ProcessCcdTask, *SKY, *found.words).refusals == ()


def test_a_master_of_another_time_or_filter_does_not_count(site: Repositories, masters: Any) -> None:
    for detector in (0, 1):
        masters("bias", detector=detector)
        masters("flat", detector=detector, physical_filter="g")
    masters("flat", "2026-12-01..2027-01-01", detector=0, physical_filter="r")
    where = "no flat in SIMCAM/raw, SIMCAM/calib fits:"
    other = "the nearest flat differs in time: it is for 2026-12-01T00:00:00..2027-01-01T00:00:00 (TAI)"
    assert told(look(site, ProcessCcdTask, *SKY)) == [
        f"1 frame of SIMCAM detector 0, filter r: {where} {other}",
        f"1 frame of SIMCAM detector 1, filter r: {where} there is no flat of this detector and filter",
    ]


def test_a_frame_whose_file_is_gone_is_told(site: Repositories, night: Night) -> None:
    exposure = night.of_kind("OBJECT")[0].exposure
    with site.butler("sim") as butler:
        ref = butler.find_dataset("raw", instrument="SIMCAM", exposure=exposure, detector=1, collections="SIMCAM/raw")
        Path(butler.getURI(ref).ospath).unlink()
    found = look(site, ProcessCcdTask, *SKY, "-c", "doBias=false", "doFlat=false")
    assert told(found) == ["1 frame of SIMCAM detector 1: the raw file is gone from the repository"]
    assert found.words == (), "no option brings it back"


def test_an_overlap_is_told_before_anything_is_written(site: Repositories, masters: Any) -> None:
    masters("bias", detector=0)
    with site.butler("sim") as butler:
        before = set(butler.collections.query("*"))
    words = (*FRAMES, "detector=0", "--validity", "2026-11-21..2026-11-25")
    with pytest.raises(FindingsError, match=r"(?s)overlaps in SIMCAM/calib with .*add: --replace"):
        MakeBiasTask.parseAndRun(["sim", *words, "--doraise"], repositories=site)
    with site.butler("sim") as butler:
        assert set(butler.collections.query("*")) == before
    assert look(site, MakeBiasTask, *words, "--replace").refusals == ()


def test_too_few_frames_and_their_masters_are_told(site: Repositories) -> None:
    found = look(site, MakeDarkTask, *FRAMES, "detector=0", "-c", "minInputs=4")
    assert [one.overrides for one in found.refusals] == [("minInputs=3",), ("doBias=false",)]
    assert found.refusals[0].what == "it has 3 frames, and takes 4 or more"
    assert found.refusals[1].group == "3 frames of SIMCAM detector 0"


def test_a_refusal_ends_a_command_with_a_sentence(site: Repositories, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ProcessCcdTask.parseAndRun(["sim", *SKY], repositories=site)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "4 targets would fail, for 6 reasons that are known now. Nothing was written." in said
    assert "To run it as things are, add: -c doBias=false doFlat=false" in said
