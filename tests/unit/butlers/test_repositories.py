"""Repositories of a process: labels, factories, forks, records that are younger than a factory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsst.daf.butler import Butler

from underbutler.butlers import InstrumentMap, Repositories, create_repository, ingest_files, upgrade_config
from underbutler.butlers.index import RepositoryIndex
from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.dataref import DataRef
from underbutler.settings import Settings, load_settings

WriteFrame = Callable[..., Path]


def test_a_new_repository_has_instruments_and_storage_classes(repositories: Repositories, tmp_path: Path) -> None:
    assert repositories.labels() == ["tiny"]
    with repositories.butler("tiny") as butler:
        assert [record.name for record in butler.query_dimension_records("instrument")] == ["CAM"]
        assert sorted(butler.collections.query("*")) == ["CAM/calib", "CAM/raw"]
        assert butler.get_dataset_type("raw").storageClass_name == "RawFrame"
    assert "underbutler.butlers.formatters.CcdImageFormatter" in (tmp_path / "repo" / "butler.yaml").read_text()
    assert repositories.universe("tiny").namespace == "daf_butler"


def test_shipped_instruments_are_registered_without_a_map(tmp_path: Path, settings: Settings) -> None:
    create_repository(tmp_path / "all", "all", settings)
    with Repositories(settings) as repositories, repositories.butler("all") as butler:
        names = {record.name for record in butler.query_dimension_records("instrument")}
    assert names == {"DECam", "ORION", "SIMCAM", "STE3"}


def test_a_label_that_is_taken_makes_nothing(repositories: Repositories, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tiny' is taken by"):
        create_repository(tmp_path / "second", "tiny", settings)
    assert not (tmp_path / "second").exists()


def test_a_folder_that_is_not_empty_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        create_repository(tmp_path / "full", "full", settings)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    assert RepositoryIndex(settings.index_uri).read() == {}


def test_an_empty_folder_with_a_dot_in_its_name_will_do(
    settings: Settings, tmp_path: Path, camera: InstrumentMap
) -> None:
    (tmp_path / "night.2026").mkdir()
    create_repository(tmp_path / "night.2026", "night.2026", settings, [camera])
    with Repositories(settings) as repositories, repositories.butler("night.2026") as butler:
        assert not butler.isWriteable()


def test_a_repository_is_made_on_a_disk_of_its_own(
    settings: Settings, tmp_path: Path, camera: InstrumentMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be moved to the place of a folder on which a disk is mounted."""
    disk, is_mount = tmp_path / "disk", Path.is_mount
    disk.mkdir()
    number = disk.stat().st_ino
    monkeypatch.setattr(Path, "is_mount", lambda path: path == disk or is_mount(path))
    create_repository(disk, "disk", settings, [camera])
    assert disk.stat().st_ino == number, "it is the folder that was there"
    assert {"butler.yaml", "gen3.sqlite3"} <= {path.name for path in disk.iterdir()}
    with Repositories(settings) as repositories, repositories.butler("disk") as butler:
        assert [record.name for record in butler.query_dimension_records("instrument")] == [camera.name]


def test_a_repository_that_fails_to_be_made_leaves_nothing(
    settings: Settings, tmp_path: Path, camera: InstrumentMap
) -> None:
    twins = camera.model_copy(
        update={"detectors": (camera.detectors[0], camera.detectors[0].model_copy(update={"id": 5}))}
    )
    with pytest.raises(Exception, match="detector"):
        create_repository(tmp_path / "sub" / "repo", "broken", settings, [twins])
    assert list((tmp_path / "sub").iterdir()) == []
    assert RepositoryIndex(settings.index_uri).read() == {}


def test_our_storage_classes_are_added_to_an_old_repository(tmp_path: Path) -> None:
    Butler.makeRepo(str(tmp_path / "old"))
    assert "CcdImage" in upgrade_config(tmp_path / "old")
    assert upgrade_config(tmp_path / "old") == []
    with Butler.from_config(str(tmp_path / "old")) as butler:
        assert butler.storageClasses.getStorageClass("CcdImage").pytype.__name__ == "CcdImage"
    with pytest.raises(UsageError, match=r"no butler\.yaml"):
        upgrade_config(tmp_path)


def test_an_unknown_label_lists_the_known_ones(repositories: Repositories) -> None:
    with (
        pytest.raises(UnknownNameError, match=r"'tinny'. Did you mean 'tiny'\? Known: tiny\..*repo create"),
        repositories.butler("tinny"),
    ):
        pass


def test_a_path_in_place_of_a_label_is_told_which(repositories: Repositories, tmp_path: Path) -> None:
    for path, words in ((tmp_path / "repo", "this one is 'tiny'"), (tmp_path / "other", "add a line `LABEL:")):
        with pytest.raises(UnknownNameError, match=words), repositories.butler(str(path)):
            pass


def test_a_repository_that_is_gone_is_named_with_its_place(repositories: Repositories, settings: Settings) -> None:
    RepositoryIndex(settings.index_uri).add("gone", "/nowhere/repo")
    with pytest.raises(UsageError, match="'gone' is not at /nowhere/repo"), repositories.butler("gone"):
        pass


def test_a_label_that_is_added_later_is_seen(repositories: Repositories, settings: Settings, tmp_path: Path) -> None:
    assert repositories.labels() == ["tiny"]
    RepositoryIndex(settings.index_uri).add("again", str(tmp_path / "repo"))
    assert repositories.labels() == ["again", "tiny"]
    with repositories.butler("again") as butler:
        assert butler.collections.query("CAM/raw")


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: 1\n", "{"])
def test_an_index_that_is_none_is_named(settings: Settings, content: str) -> None:
    settings.home.mkdir()
    Path(settings.index_uri).write_text(content)
    with pytest.raises(UsageError, match=r"repositories\.yaml"):
        Repositories(settings).labels()


def test_butlers_are_closed_after_and_read_only_unless_asked(repositories: Repositories) -> None:
    with repositories.butler("tiny") as reading, repositories.butler("tiny", writeable=True, run="r") as writing:
        assert not reading.isWriteable()
        assert writing.isWriteable()
        assert writing.run == "r"
    with pytest.raises(RuntimeError, match="closed"):
        reading.collections.query("*")


def test_a_rebuild_makes_only_that_label_pay(repositories: Repositories, settings: Settings, tmp_path: Path) -> None:
    RepositoryIndex(settings.index_uri).add("other", str(tmp_path / "repo"))
    for label in ("tiny", "other"):
        with repositories.butler(label):
            pass
    before = dict(repositories._process.factories)
    with repositories.butler("tiny") as still_open:
        repositories.rebuild("tiny")
        assert still_open.collections.query("CAM/raw")
    assert ("tiny", False) not in repositories._process.factories
    assert repositories._process.factories["other", False] is before["other", False]


def test_an_unknown_detector_costs_one_rebuild_and_no_more(stocked: Repositories, monkeypatch: Any) -> None:
    rebuilt: list[str] = []
    monkeypatch.setattr(stocked, "rebuild", rebuilt.append)
    data_id = {"instrument": "CAM", "exposure": 1, "detector": 0}
    with stocked.open(DataRef("tiny", data_id, collections=("CAM/raw",))) as bound:
        for _ in range(3):
            assert not bound.dataset_exists("raw", detector=99)
    assert rebuilt == ["tiny"]


def test_a_remote_repository_is_not_written(repositories: Repositories, settings: Settings, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    remote.mkdir()
    (remote / "butler.yaml").write_text(
        "cls: lsst.daf.butler.remote_butler.RemoteButler\nremote_butler:\n  url: https://butler.example/api/butler\n"
    )
    RepositoryIndex(settings.index_uri).add("far", str(remote))
    ref = DataRef("far", {"instrument": "CAM"}, run="u/a")
    with pytest.raises(UsageError, match=r"'far' is remote.*out=LABEL, one of tiny"), repositories.open(ref):
        pass
    with pytest.raises(UsageError, match="Ingest where it is"):
        ingest_files(repositories, "far", [])
    repositories.check_writeable(DataRef("far", {"instrument": "CAM"}, run="u/a", out="tiny"))
    assert not repositories.is_remote("tiny")


def test_settings_name_the_index(tmp_path: Path) -> None:
    index = tmp_path / "elsewhere.yaml"
    index.write_text("a: /x\nb: /y\n")
    assert Repositories(load_settings(home=tmp_path, repository_index=str(index))).labels() == ["a", "b"]
