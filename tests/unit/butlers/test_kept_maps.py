"""The instrument map of a repository, as a process knows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.camera_frames import camera
from underbutler.butlers.kept_maps import KeptMaps
from underbutler.butlers.repository import create_repository, keep_map
from underbutler.errors import UsageError
from underbutler.settings import load_settings


def test_a_map_is_read_again_when_its_file_has_changed(tmp_path: Path) -> None:
    maps = KeptMaps()
    assert maps.get(str(tmp_path), "CAM") is None
    keep_map(str(tmp_path), camera(constants={"gain": 2.0}))
    first = maps.get(str(tmp_path), "CAM")
    assert first is not None
    assert maps.get(str(tmp_path), "CAM") is first
    keep_map(str(tmp_path), camera(constants={"gain": 3.0}))
    os.utime(tmp_path / "instruments" / "CAM.json", ns=(1, 1))
    second = maps.get(str(tmp_path), "CAM")
    assert second is not None
    assert second.constants.gain == 3.0


def test_a_repository_without_a_map_has_the_one_that_ships(tmp_path: Path) -> None:
    for is_remote in (False, True):
        found = KeptMaps().get(str(tmp_path), "SIMCAM", is_remote=is_remote)
        assert found is not None
        assert found.frame.gain == "GAIN"


def test_a_folder_with_signs_in_its_name_keeps_its_maps(tmp_path: Path) -> None:
    root = tmp_path / "night %20 #1"
    root.mkdir()
    keep_map(str(root), camera())
    assert [path.name for path in (root / "instruments").iterdir()] == ["CAM.json"]
    assert KeptMaps().get(str(root), "CAM") == camera()


@pytest.mark.parametrize("name", ["a%20b", "night #1"])
def test_a_repository_where_sqlite_is_lost_is_not_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="choose another folder"):
        create_repository(tmp_path / name, "x", load_settings(home=tmp_path / "home"), [camera()])
    assert not (tmp_path / name).exists()
