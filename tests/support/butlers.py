"""Small repositories: a camera with two detectors, frames of a few pixels."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from lsst.daf.butler import DatasetType

from underbutler.butlers import InstrumentMap, Repositories, create_repository, ingest_files
from underbutler.butlers.index import RepositoryIndex
from underbutler.settings import Settings, load_settings

__all__ = [
    "camera",
    "empty_repository",
    "repositories",
    "settings",
    "stocked",
    "stocked_repository",
    "write_frame",
]

CAMERA = InstrumentMap.model_validate(
    {
        "name": "CAM",
        "match": {"INSTRUME": "CAM"},
        "detectors": [{"id": 0, "name": "D0"}, {"id": 1, "name": "D1"}],
        "detector": {"keyword": "DETECTOR"},
        "exposure": {"id": "EXPID"},
        "observation": {"types": {"object": "science", "bias": "bias"}, "filter": "FILTER", "bands": {"R": "r"}},
        "frame": {"required": ["GAIN"]},
    }
)


RUN = "u/ann/reduce/1"

TYPES = {
    "calexp": (("instrument", "detector", "exposure"), "CcdImage", False),
    "src": (("instrument", "detector", "exposure"), "ArrowAstropy", False),
    "bias": (("instrument", "detector"), "CcdImage", True),
    "flat": (("instrument", "detector", "physical_filter"), "CcdImage", True),
    "setting": ((), "StructuredDataDict", False),
    "preview": (("instrument", "detector", "exposure"), "PngBytes", False),
}


@pytest.fixture
def camera() -> InstrumentMap:
    return CAMERA


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", calibration_cache_bytes=2**20)


@pytest.fixture(scope="session")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that knows the camera and has no frame; to be copied."""
    root = tmp_path_factory.mktemp("template") / "repo"
    create_repository(root, "template", load_settings(home=root.parent / "home"), [CAMERA])
    return root


@pytest.fixture(scope="session")
def stocked_repository(empty_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with exposures 1 and 2 of both detectors, output dataset types and a RUN; to be copied."""
    folder = tmp_path_factory.mktemp("stocked")
    root = Path(shutil.copytree(empty_repository, folder / "repo"))
    files = [
        write_raw(
            folder / f"{exposure}-{detector}.fits",
            value=10 * exposure + detector,
            EXPID=exposure,
            DETECTOR=detector,
            DATE_OBS=f"2026-11-2{exposure}T20:00:00",
        )
        for exposure in (1, 2)
        for detector in (0, 1)
    ]
    with opened(root, load_settings(home=folder / "home")) as repositories:
        assert len(ingest_files(repositories, "tiny", files).ingested) == 4
        with repositories.butler("tiny", writeable=True) as butler:
            for name, (dimensions, storage, is_calibration) in TYPES.items():
                kind = DatasetType(name, dimensions, storage, universe=butler.dimensions, isCalibration=is_calibration)
                butler.registry.registerDatasetType(kind)
            butler.collections.register(RUN)
    return root


@pytest.fixture
def repositories(tmp_path: Path, settings: Settings, empty_repository: Path) -> Iterator[Repositories]:
    """Repositories of one label, ``tiny``, that knows the camera and has no frame."""
    with opened(shutil.copytree(empty_repository, tmp_path / "repo"), settings) as repositories:
        yield repositories


@pytest.fixture
def stocked(tmp_path: Path, settings: Settings, stocked_repository: Path) -> Iterator[Repositories]:
    """Repositories of one label, ``tiny``, with exposures 1 and 2 of both detectors."""
    with opened(shutil.copytree(stocked_repository, tmp_path / "repo"), settings) as repositories:
        yield repositories


@contextmanager
def opened(root: Path, settings: Settings) -> Iterator[Repositories]:
    RepositoryIndex(settings.index_uri).add("tiny", str(root))
    with Repositories(settings) as repositories:
        yield repositories


def write_raw(path: Path, *, shape: tuple[int, int] = (4, 6), value: int = 100, **changes: Any) -> Path:
    """Write a raw frame of the camera; keywords are changed by name, and removed by None."""
    keywords = {
        "INSTRUME": "CAM",
        "DETECTOR": 0,
        "EXPID": 1,
        "DATE-OBS": "2026-11-20T20:00:00",
        "EXPTIME": 30.0,
        "IMAGETYP": "object",
        "FILTER": "R",
        "GAIN": 2.0,
    }
    keywords |= {key.replace("_", "-"): item for key, item in changes.items()}
    header = fits.Header({key: item for key, item in keywords.items() if item is not None})
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(np.full(shape, value, dtype=np.uint16), header=header).writeto(path, overwrite=True)
    return path


@pytest.fixture
def write_frame(tmp_path: Path) -> Callable[..., Path]:
    """Write a raw frame of the camera into the test's folder."""

    def write(name: str = "frame.fits", **changes: Any) -> Path:
        return write_raw(tmp_path / name, **changes)

    return write
