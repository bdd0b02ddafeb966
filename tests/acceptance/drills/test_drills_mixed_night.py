"""A night of frames of mixed shapes in one job: the look before tells what lacks a master, and nothing else fails."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from tasks.make_calib import MakeBiasTask
from tasks.process_ccd import ProcessCcdTask
from tests.support.drills.table import Scale
from underbutler.butlers import Repositories, create_repository, ingest_files
from underbutler.pipe.findings import FindingsError
from underbutler.settings import load_settings
from underbutler.testing.night import simulate_night

SHAPES = ((96, 96), (64, 128), (128, 64))
SKY = ("--id", "instrument=SIMCAM", "-d", "exposure.observation_type = 'science'", "-c", "doFlat=false")


def test_a_night_of_mixed_shapes_is_reduced_whole(scale: Scale, tmp_path: Path) -> None:
    """Every third frame comes compressed. Masters are missing first for all shapes, then for one, then for none."""
    each = 200 // len(SHAPES) + 1 if scale.full else 2
    files = [file for number, shape in enumerate(SHAPES) for file in _night(tmp_path, number, shape, each)]
    with Repositories(load_settings(home=tmp_path / "home", user="driller")) as site:
        create_repository(tmp_path / "repo", "mixed", site.settings)
        assert not ingest_files(site, "mixed", files).failed

        with pytest.raises(FindingsError, match=rf"{each * len(SHAPES)} targets would fail, for a reason"):
            _run(site, ProcessCcdTask, *SKY)
        _run(site, MakeBiasTask, "--inputId", "instrument=SIMCAM", "-d", "exposure < 2026112010000")
        with pytest.raises(FindingsError, match=rf"(?s){each} targets would fail.*differs in shape") as told:
            _run(site, ProcessCcdTask, *SKY)
        assert len(told.value.fields["findings"]) == 1  # type: ignore[arg-type]
        _run(site, MakeBiasTask, "--inputId", "instrument=SIMCAM", "-d", "exposure > 2026112010000")
        done = _run(site, ProcessCcdTask, *SKY, *(["-j", "2"] if scale.full else []))
        assert [result.exitStatus for result in done.resultList] == [0] * (each * len(SHAPES))


def _run(site: Repositories, task: Any, *words: str) -> Any:
    return task.parseAndRun(["mixed", *words, "--doraise", "--no-versions"], repositories=site, doReturnResults=True)


def _night(folder: Path, number: int, shape: tuple[int, int], frames: int) -> list[Path]:
    """Return a night's files of one shape; its exposures follow those of the shapes before."""
    night = simulate_night(
        folder / f"night{number}", seed=number, n_bias=3, n_flat=0, n_science=frames, shape=shape, detectors=(0,)
    )
    files = []
    for place, source in enumerate(night.files):
        with fits.open(source, mode="update") as hdus:
            header = hdus[0].header
            header["EXPID"] += 6000 * number
            begin = datetime.fromisoformat(str(header["DATE-OBS"])) + timedelta(hours=3 * number, seconds=0.5)
            header["DATE-OBS"] = begin.isoformat()
        target = folder / f"shape{number}-{source.name}"
        if place % 3 == 2:
            target = target.with_name(f"{target.name}.gz")
            target.write_bytes(gzip.compress(source.read_bytes()))
        else:
            source.rename(target)
        files.append(target)
    return files
