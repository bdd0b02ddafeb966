"""Catalogues by name, from the YAML files that databroker's users have."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalog.rows import imaged_run, run_of
from underbutler.catalog import Broker, CatalogStore, catalog_search_path, export_run
from underbutler.catalog.search_path import SourceError
from underbutler.errors import UnknownNameError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("UNDERBUTLER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    folder = tmp_path / "share" / "intake"
    folder.mkdir(parents=True)
    return folder


class Located:
    paths: list[str] = []

    def __init__(self, path: str, **kwargs: Any) -> None:
        self.paths.append(path)

    def __call__(self, index: int) -> Any:
        return [[index, index], [index, index]]


def test_the_folders_are_ours_the_users_and_those_of_python(tmp_path: Path) -> None:
    assert catalog_search_path() == (
        str(tmp_path / "home" / "catalogs"),
        str(tmp_path / "share" / "intake"),
        str(tmp_path / "python" / "share" / "intake"),
    )


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
def test_a_source_of_databroker_opens_unchanged(folder: Path, form: Any) -> None:
    export_run(imaged_run("run", images=1), folder / "night", form)
    (folder / "night.yml").write_text(f"""
sources:
  night:
    driver: bluesky-{form}-catalog
    args:
      paths: ["{{{{ CATALOG_DIR }}}}/night/*.{form}"]
      root_map: {{"/data": "data", "/abs": "/elsewhere"}}
      handler_registry: {{TEST: {__name__}.Located}}
      transforms: {{start: {__name__}.patched}}
    metadata: {{beamline: STE3}}
""")
    cat = Broker.from_name("night")
    assert cat.name == "night"
    assert cat.metadata == {"beamline": "STE3", "catalog_dir": str(folder)}
    assert cat.root_map == {"/data": str(folder / "data"), "/abs": "/elsewhere"}
    assert cat[-1].start["patched"] is True
    cat[-1].primary.read()
    assert Located.paths[-1] == str(folder / "data" / "images.npy")


def patched(start: Any) -> Any:
    return {**start, "patched": True}


def test_a_source_of_ours_names_a_database_or_a_folder(
    folder: Path, tmp_path: Path, catalogue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    CatalogStore.open(catalogue_url).import_run(run_of("in-database"))
    export_run(run_of("in-folder"), folder / "runs")
    monkeypatch.setenv("SITE_CATALOG", catalogue_url)
    (folder / "ours.yaml").write_text("""
sources:
  site: {driver: underbutler, args: {place: "{{ env(SITE_CATALOG) }}"}}
  files: {driver: underbutler, args: {place: runs}}
""")
    assert list(Broker.from_name("site")) == ["in-database"]
    assert list(Broker.from_name("files")) == ["in-folder"]


def test_the_first_of_two_is_taken_with_a_warning(folder: Path, tmp_path: Path) -> None:
    ours = tmp_path / "home" / "catalogs"
    for where, uid in ((ours, "first"), (folder, "second")):
        export_run(run_of(uid), where / "runs")
        (where / "x.yml").write_text("sources: {x: {driver: jsonl, args: {paths: runs}}}")
    with pytest.warns(UserWarning, match=r"'x' is described more than once, and .*catalogs/x\.yml is taken"):
        cat = Broker.from_name("x")
    assert list(cat) == ["first"]


def test_an_unknown_name_lists_those_that_there_are(folder: Path) -> None:
    (folder / "a.yml").write_text("sources: {night: {driver: jsonl, args: {paths: x}}}")
    (folder / "list.yml").write_text("[1, 2]")
    (folder / "broken.yml").write_text("sources: [")
    with (
        pytest.warns(UserWarning, match=r"broken\.yml is left out"),
        pytest.raises(UnknownNameError, match=r"called 'nigth'. Did you mean 'night'\? Known: night\..*share/intake"),
    ):
        Broker.from_name("nigth")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{driver: bluesky-mongo-normalized-catalog, args: {}}", "has the driver 'bluesky-mongo-normalized-catalog'"),
        ("{driver: jsonl}", "does not say where the runs are"),
        ("{driver: jsonl, args: {paths: x, speed: 3}}", "has an argument 'speed' that is not known"),
        ("{driver: underbutler, args: {place: '{{ env(NO_SUCH_THING) }}'}}", "the variable NO_SUCH_THING is not set"),
        ("{driver: underbutler, args: {place: '{{ shell(rm) }}'}}", "is not understood"),
        ("{driver: jsonl, args: [runs]}", r"has \['runs'\] as args. Write a mapping"),
        ("{driver: jsonl, args: {paths: runs, root_map: [/data]}}", r"has \['/data'\] as root_map"),
        ("{driver: jsonl, args: {paths: runs}, metadata: mine}", "has 'mine' as metadata"),
    ],
)
def test_a_source_that_is_not_understood_says_why(folder: Path, source: str, reason: str) -> None:
    (folder / "a.yml").write_text(f"sources: {{x: {source}}}")
    with pytest.raises(SourceError, match=reason):
        Broker.from_name("x")
