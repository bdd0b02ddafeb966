"""A night on which the camera was set in several ways: one master for each setting, and each frame gets its own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.make_calib import MakeBiasTask, MakeDarkTask
from tasks.masters import find_master
from underbutler.butlers import Repositories, create_repository, ingest_files
from underbutler.butlers.frame_headers import frame_headers, raw_refs
from underbutler.butlers.masters import Masters, choose_for
from underbutler.errors import LostDatasetError
from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.model.dataref import DataRef
from underbutler.pipe.precall import remove_run
from underbutler.settings import load_settings

MIXCAM = InstrumentMap.model_validate(
    {
        "name": "MIXCAM",
        "match": {"INSTRUME": "MIXCAM"},
        "exposure": {"id": "EXPID"},
        "observation": {"types": {"bias": "bias", "dark": "dark", "object": "science"}},
    }
)
SIZE = {1: (40, 50), 2: (20, 25)}
WORDS = ("--inputId", "instrument=MIXCAM", "-c", "doOverscan=false", "isr.doTrim=false")
COLLECTIONS = ("MIXCAM/raw", "MIXCAM/calib")


def write_frame(folder: Path, number: int, kind: str, binning: int = 1, seconds: float = 0.0, **cards: Any) -> Path:
    header = fits.Header({"INSTRUME": "MIXCAM", "EXPID": number, "IMAGETYP": kind, "EXPTIME": seconds})
    header["DATE-OBS"] = f"2026-11-20T{20 + number // 60:02d}:{number % 60:02d}:00"
    header["XBINNING"] = header["YBINNING"] = binning
    header["GAIN"], header["RDNOISE"], header["CCD-TEMP"] = 2.0, 5.0, -10.0
    header.update({keyword.replace("_", "-"): value for keyword, value in cards.items()})
    level = 100 * binning + (10 * seconds if kind == "dark" else 0)
    values = np.random.default_rng(number).normal(level, 1.0, SIZE[binning]).round().astype(np.uint16)
    path = folder / f"{kind}{number}.fits"
    fits.PrimaryHDU(values, header).writeto(path)
    return path


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Biases of two binnings, darks of two exposure times, and science frames of several settings."""
    folder = tmp_path_factory.mktemp("mixed")
    files = [write_frame(folder, number, "bias", 1 + number // 3) for number in range(6)]
    files += [write_frame(folder, number, "dark", seconds=10.0 if number < 13 else 60.0) for number in range(10, 16)]
    files += [
        write_frame(folder, 20, "object", seconds=60.0),
        write_frame(folder, 21, "object", 2, seconds=60.0),
        write_frame(folder, 22, "object", seconds=30.0),
        write_frame(folder, 23, "object", seconds=60.0, CCD_TEMP=-5.0),
        write_frame(folder, 24, "object", seconds=60.0, GAIN=4.0),
    ]
    with Repositories(load_settings(home=folder / "home", user="tester")) as repositories:
        create_repository(folder / "repo", "mixed", repositories.settings, [MIXCAM])
        assert not ingest_files(repositories, "mixed", files).failed
    return folder / "repo"


@pytest.fixture
def site(ingested: Path, tmp_path: Path) -> Iterator[Repositories]:
    shutil.copytree(ingested, tmp_path / "repo")
    with Repositories(load_settings(home=tmp_path / "home", user="tester")) as repositories:
        repositories.index.add("mixed", str(tmp_path / "repo"))
        yield repositories


def run(site: Repositories, task: Any, *words: str) -> Any:
    return task.parseAndRun(["mixed", *words, "--doraise"], repositories=site, doReturnResults=True)


def choices(site: Repositories, exposures: list[int], names: Mapping[str, bool]) -> list[dict[str, Any]]:
    with site.butler("mixed") as butler:
        data_ids = [{"instrument": "MIXCAM", "exposure": number, "detector": 0} for number in exposures]
        raws = raw_refs(butler, data_ids, COLLECTIONS)
        frames = frame_headers(butler, [raws["MIXCAM", number, 0] for number in exposures])
        return choose_for(
            Masters(butler, "mixed", COLLECTIONS), frames, names, lambda name: site.instrument_map("mixed", name)
        )


def test_each_setting_has_a_master_and_each_frame_its_own(site: Repositories) -> None:
    made = run(site, MakeBiasTask, *WORDS)

    assert sorted(result.metadata["collection"] for result in made.resultList) == [
        "MIXCAM/calib",
        "MIXCAM/calib/20x25_bin2x2_gain2_-10deg",
    ]
    found = choices(site, [20, 21, 23, 24], {"bias": True})
    assert [one["bias"].master and one["bias"].master.setup.shape for one in found] == ["40x50", "20x25", None, None]
    assert [[difference.key for difference in one["bias"].differences] for one in found] == [
        [],
        [],
        ["temperature"],
        ["gain"],
    ]
    for exposure, level in ((20, 200.0), (21, 400.0)):  # 100 and 200 ADU at 2 e-/ADU
        ref = DataRef("mixed", {"instrument": "MIXCAM", "exposure": exposure, "detector": 0}, collections=COLLECTIONS)
        with site.open(ref) as bound:
            assert np.median(bound.get("bias").image) == pytest.approx(level, abs=2)


def test_the_same_masters_again_overlap_and_replace(site: Repositories) -> None:
    run(site, MakeBiasTask, *WORDS)
    again = run(site, MakeBiasTask, *WORDS, "--replace")
    assert [result.exitStatus for result in again.resultList] == [0, 0]
    assert all(one["bias"].master for one in choices(site, [20, 21], {"bias": True}))


def test_a_dark_of_the_exposure_time_wins_over_a_scaled_one(site: Repositories) -> None:
    run(site, MakeBiasTask, *WORDS)
    made = run(site, MakeDarkTask, *WORDS)
    assert sorted(result.metadata["n_inputs"] for result in made.resultList) == [3, 3]

    found = choices(site, [20, 22], {"dark": True})
    assert [one["dark"].master.seconds for one in found] == [60.0, 10.0]
    (warned,) = [one["dark"].warning for one in found if one["dark"].warning]
    assert warned.startswith("No dark of 30 s is valid: one of 10 s is scaled to it")
    (without, refused) = choices(site, [20, 22], {"dark": False})
    assert without["dark"].master.seconds == 60.0
    assert [one.key for one in refused["dark"].differences] == ["exposure time"]


def test_a_frame_without_a_master_is_told_what_differs(site: Repositories) -> None:
    run(site, MakeBiasTask, *WORDS)
    ref = DataRef("mixed", {"instrument": "MIXCAM", "exposure": 24, "detector": 0}, collections=COLLECTIONS)
    told = r"the nearest bias differs in gain: the frame has 4, the master 2\. Make one: .*doBias=false"
    with site.open(ref) as bound, pytest.raises(LostDatasetError, match=told):
        find_master(bound, "bias", has_bias=True, log=logging.getLogger())


def test_what_removes_a_jobs_run_removes_those_below_it(site: Repositories) -> None:
    made = run(site, MakeBiasTask, *WORDS)
    with site.butler("mixed", writeable=True) as butler:
        assert len(butler.collections.query(f"{made.parsedCmd.run}/*")) == 2, "a master of each setting"
        assert remove_run(butler, made.parsedCmd.run)
        assert not butler.collections.query(f"{made.parsedCmd.run}*")
