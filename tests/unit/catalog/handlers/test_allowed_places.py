"""What a document may make a server open: regular files under its roots, objects of its buckets, and the Butler."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from underbutler.catalog.handlers import allowed_places
from underbutler.catalog.handlers.allowed_places import AllowedPlaces, PlaceRefusedError, ReadingTimeoutError, guarded
from underbutler.catalog.handlers.fits_section import FitsSection
from underbutler.errors import UsageError
from underbutler.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", s3_instance="cp", s3_category="LFA")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.fits").write_bytes(b"here")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/etc/hostname")
    (folder / "inside").symlink_to(folder / "a.fits")
    (tmp_path / "rooted").mkdir()
    (tmp_path / "rooted" / "b.fits").write_bytes(b"there")
    return folder


def test_a_file_under_a_root_is_opened(root: Path, settings: Settings) -> None:
    allowed = AllowedPlaces.of(settings, [root])
    for name in ("a.fits", "inside", "gone.fits", "x/../a.fits"):
        allowed.check("ANNEX_FITS", f"{root}/{name}")
    allowed.check("ANNEX_FITS", f"file://{root}/a.fits")


def test_a_root_that_is_a_link_is_known_by_both_names(root: Path, settings: Settings) -> None:
    called = root.parent / "called"
    called.symlink_to(root)
    allowed = AllowedPlaces.of(settings, [called])
    allowed.check("ANNEX_FITS", f"{called}/a.fits")
    allowed.check("ANNEX_FITS", f"{root}/a.fits")


@pytest.mark.parametrize(
    "place",
    [
        "/etc/hostname",
        "/no/such/file",
        "file:///etc/hostname",
        "{root}/../rooted/b.fits",
        "{root}ed/b.fits",
        "{root}/link",
        "{root}/pipe",
        "{root}/..",
        "{root}",
        "{root}/a\0b",
        "a.fits",
        "",
        "/dev/zero",
        "http://127.0.0.1:1/x",
        "s3://rubinobs-lfa-other-simcam/key",
        "s3://rubinobs-lfa-cpx/key",
        "butler://demo",
    ],
)
def test_every_other_place_is_refused_in_the_same_words(root: Path, settings: Settings, place: str) -> None:
    allowed = AllowedPlaces.of(settings, [root])
    with pytest.raises(PlaceRefusedError) as raised:
        allowed.check("ANNEX_FITS", place.replace("{root}", str(root)))
    assert str(raised.value) == str(PlaceRefusedError())


def test_the_annex_and_buckets_that_were_given_are_opened(settings: Settings) -> None:
    allowed = AllowedPlaces.of(settings, buckets=["beamline"])
    for bucket in ("rubinobs-lfa-cp-simcam", "rubinobs-lfa-cp", "beamline"):
        allowed.check("ANNEX_FITS", f"s3://{bucket}/key")
    allowed.check("BUTLER", "butler://demo/8f1a3e6c-0b57-5f0e-9d5b-6c7d1f2a3b4c")
    allowed.check("BUTLER", "demo")


def test_a_root_that_is_no_folder_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        AllowedPlaces.of(settings, [tmp_path / "none"])


class Elsewhere:
    """A handler of another package, which may open other files than it was given."""


def test_a_foreign_handler_is_served_when_it_is_named() -> None:
    handlers: dict[str, Any] = {"ANNEX_FITS": FitsSection, "AD_TIFF": Elsewhere}
    assert set(guarded(handlers, AllowedPlaces())) == {"ANNEX_FITS"}
    assert set(guarded(handlers, AllowedPlaces(), ["AD_TIFF"])) == {"ANNEX_FITS", "AD_TIFF"}
    with pytest.raises(UsageError, match="No handler of spec 'AD_TIF'"):
        guarded(handlers, AllowedPlaces(), ["AD_TIF"])


def test_what_is_not_read_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch, root: Path, settings: Settings) -> None:
    never = threading.Event()

    class Hanging:
        def __init__(self, path: str) -> None:
            pass

        def __call__(self) -> int:
            never.wait(60)
            return 1

    monkeypatch.setattr(allowed_places, "READING_S", 0.05)
    handler = guarded({"SLOW": Hanging}, AllowedPlaces.of(settings, [root]), ["SLOW"])["SLOW"](f"{root}/a.fits")
    with pytest.raises(ReadingTimeoutError):
        handler()
    never.set()
