"""A night whose stars are known, reduced by the tasks without a Butler in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info

from tasks.make_calib import MakeBiasTask, MakeFlatTask
from tasks.process_ccd import ProcessCcdTask
from underbutler.butlers.raw_frames import read_raw_frame
from underbutler.testing.night import Night, simulate_night

threadpool_info()  # threadpoolctl 3.5 starts `ldconfig` the first time: let it be before any test


@dataclass
class FolderRef:
    """A data reference that reads files of a folder: what a task sees of one."""

    data_id: dict[str, Any]
    frames: dict[int, Path]
    masters: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    collections: tuple[str, ...] = ()
    repo: str = "folder"

    def get(self, name: str, **rest: Any) -> Any:
        if name == "raw":
            return read_raw_frame(self.frames[rest.get("exposure", self.data_id.get("exposure"))])
        return self.masters[name]

    def instrument_map(self) -> None:
        return None

    def put(self, obj: Any, name: str) -> None:
        self.stored[name] = obj


@dataclass
class Reduced:
    """One science frame of the night, reduced, with the truth about it."""

    night: Night
    detector: int
    bias: Any
    flat: Any
    result: Any
    truth: Any


@pytest.fixture(scope="session")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> Reduced:
    """One full-size frame, reduced with masters of the same night."""
    night = simulate_night(tmp_path_factory.mktemp("night"), n_science=1, detectors=(1,))
    frames = {frame.exposure: frame.path for frame in night.frames}
    ref = FolderRef({"instrument": "SIMCAM", "detector": 1}, frames)
    bias = MakeBiasTask().run(ref, [frame.exposure for frame in night.of_kind("BIAS")])
    ref.masters["bias"] = bias
    flat = MakeFlatTask().run(ref, [frame.exposure for frame in night.of_kind("FLAT")])
    (science,) = night.of_kind("OBJECT")
    result = ProcessCcdTask().run(read_raw_frame(science.path), bias=bias, flat=flat)
    return Reduced(night, 1, bias, flat, result, night.stars_of(science.exposure, 1))
