"""The look before reads headers: what readouts lack, and masters that do not fit, are told for all frames alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.look import frames as frames_of_targets
from tasks.make_calib import MakeBiasTask
from tasks.process_ccd import ProcessCcdTask
from tasks.validity import certify, parse_validity
from underbutler.butlers import CcdImage, InstrumentMap, Repositories, create_repository, ingest_files
from underbutler.pipe.datasets import register_dataset_types
from underbutler.pipe.findings import Look
from underbutler.settings import load_settings

BARECAM = InstrumentMap.model_validate(
    {
        "name": "BARECAM",
        "match": {"INSTRUME": "BARECAM"},
        "exposure": {"id": "EXPID"},
        "observation": {"types": {"bias": "bias", "object": "science"}},
    }
)
AS_IT_IS = ("-c", "doOverscan=false", "isr.doTrim=false", "doFlat=false", "doBias=false")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Repositories]:
    with Repositories(load_settings(home=tmp_path / "home", user="tester")) as repositories:
        create_repository(tmp_path / "repo", "bare", repositories.settings, [BARECAM])
        yield repositories


def bring_in(site: Repositories, folder: Path, number: int, shape: tuple[int, int] = (20, 25), **cards: Any) -> None:
    header = fits.Header({"INSTRUME": "BARECAM", "EXPID": number, "IMAGETYP": "object", "EXPTIME": 10.0})
    header["DATE-OBS"] = f"2026-11-20T20:{number:02d}:00"
    header.update(cards)
    path = folder / f"frame{number}.fits"
    fits.PrimaryHDU(np.full(shape, number, dtype=np.uint16), header).writeto(path)
    assert not ingest_files(site, "bare", [path]).failed


def look(site: Repositories, task: Any, *words: str) -> Look:
    command = task._makeArgumentParser().parse(task.ConfigClass(), ["bare", *words], repositories=site, task_class=task)
    with command.resources:
        found: Look = task.lookBefore(task.RunnerClass.getTargetList(command), command)
        return found


def test_keywords_that_are_missing_are_told_at_once(site: Repositories, tmp_path: Path) -> None:
    bring_in(site, tmp_path, 1, GAIN=2.0, RDNOISE=5.0)
    for number in (2, 3):
        bring_in(site, tmp_path, number)
    found = look(site, ProcessCcdTask, "--id", "instrument=BARECAM", *AS_IT_IS)
    assert [one.group for one in found.refusals] == ["2 frames of BARECAM detector 0"] * 2
    assert "has no GAIN (gain in e-/ADU)" in found.refusals[0].what
    assert "has no RDNOISE (read noise in e-)" in found.refusals[1].what
    assert found.failing == {1, 2}
    assert found.words == ("-c", "isr.gain=1", "isr.readNoise=10")
    again = look(site, ProcessCcdTask, "--id", "instrument=BARECAM", *AS_IT_IS, *found.words)
    assert again.refusals == ()
    assert again.looked_at == ("the files of 3 frames", "the header of each")


def test_of_many_frames_one_of_each_group_is_read(
    site: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of another binning have files of another size: they are a group of their own."""
    for number in (1, 2):
        bring_in(site, tmp_path, number, (20, 25), GAIN=2.0, RDNOISE=5.0)
    for number in (3, 4, 5):
        bring_in(site, tmp_path, number, (80, 100), RDNOISE=5.0)
    monkeypatch.setattr(frames_of_targets, "FULLY_READ", 2)
    found = look(site, ProcessCcdTask, "--id", "instrument=BARECAM", *AS_IT_IS)
    assert [one.group for one in found.refusals] == ["3 frames of BARECAM detector 0"]
    assert found.looked_at[1] == "2 headers, one of each group of frames that are alike"


def test_a_master_of_another_shape_is_told(site: Repositories, tmp_path: Path) -> None:
    """A master that does not say of which setting it is, is compared by its pixels."""
    bring_in(site, tmp_path, 1, GAIN=2.0, RDNOISE=5.0)
    ones = np.ones((10, 12), dtype=np.float32)
    mask = np.zeros(ones.shape, dtype=np.int32)
    with site.butler("bare", writeable=True) as butler:
        register_dataset_types(butler, {"bias": MakeBiasTask.datasetTypes["bias"]})
        butler.collections.register("u/tester/bias")
        image = CcdImage(image=ones, mask=mask, variance=ones, header={}, wcs=None, unit="electron", mask_planes={})
        ref = butler.put(image, "bias", instrument="BARECAM", detector=0, run="u/tester/bias")
        certify(butler, "BARECAM/calib", ref.id, parse_validity("2026-11-20..2026-11-22"), replace=False)
    found = look(site, ProcessCcdTask, "--id", "instrument=BARECAM", *AS_IT_IS[:-1])
    (refusal,) = found.refusals
    assert "The bias has (10, 12) pixels and the trimmed frame (20, 25)" in refusal.what
    assert found.words == ("-c", "doBias=false")


def test_frames_of_one_master_share_a_shape(site: Repositories, tmp_path: Path) -> None:
    for number, trim in ((1, "[1:20,1:20]"), (2, "[1:20,1:20]"), (3, "[1:10,1:20]")):
        bring_in(site, tmp_path, number, GAIN=2.0, RDNOISE=5.0, IMAGETYP="bias", TRIMSEC=trim)
    found = look(site, MakeBiasTask, "--inputId", "instrument=BARECAM", "-c", "doOverscan=false")
    (refusal,) = found.refusals
    assert "its frames have several shapes, in rows and columns ((20, 20): exposure=1^2; (20, 10): exposure=3)" in (
        refusal.what
    )
