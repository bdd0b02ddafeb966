"""Handlers are found, registered and refused by spec; transforms by kind."""

from __future__ import annotations

import threading
import warnings
from importlib.metadata import EntryPoint
from typing import Any

import event_model
import pytest

from underbutler.catalog import (
    DuplicateHandler,
    HandlerRegistry,
    deregister_handler,
    discover_handlers,
    parse_handler_registry,
    parse_transforms,
    register_handler,
)
from underbutler.catalog.handlers import registry as handlers
from underbutler.errors import UsageError


class Camera:
    def __init__(self, path: str) -> None:
        self.path = path


class OtherCamera(Camera):
    pass


def patch_start(doc: Any) -> Any:
    return {**doc, "patched": True}


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points that packages offer, and a process that has not looked yet."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(handlers, "entry_points", lambda group: [e for e in entries if e.group == group])
    monkeypatch.setattr(handlers, "_discovered", None)
    monkeypatch.setattr(handlers, "_registered", HandlerRegistry())
    return entries


def entry(name: str, value: str, group: str = "databroker.handlers") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=group)


HERE = __name__


def test_handlers_that_packages_offer_are_found_by_spec(offered: list[EntryPoint]) -> None:
    offered += [entry("CAM", f"{HERE}:Camera"), entry("CAM2", f"{HERE}:OtherCamera", "elsewhere")]
    assert discover_handlers() == {"CAM": Camera}
    assert discover_handlers("elsewhere") == {"CAM2": OtherCamera}
    assert discover_handlers("nowhere") == {}


def test_a_handler_that_does_not_load_warns_or_raises(offered: list[EntryPoint]) -> None:
    offered += [entry("BROKEN", "no_such_package_here:Camera"), entry("CAM", f"{HERE}:Camera")]
    with pytest.warns(UserWarning, match="'BROKEN'.*left out.*no_such_package_here"):
        assert discover_handlers() == {"CAM": Camera}
    with pytest.raises(ModuleNotFoundError):
        discover_handlers(skip_failures=False)


def test_colliding_names_are_reported_even_with_others_between(offered: list[EntryPoint]) -> None:
    offered += [entry("CAM", f"{HERE}:Camera"), entry("B", f"{HERE}:Camera"), entry("CAM", f"{HERE}:OtherCamera")]
    with pytest.warns(UserWarning, match="Several packages offer a handler of spec 'CAM'"):
        assert discover_handlers() == {"CAM": Camera, "B": Camera}


def test_a_thread_that_arrives_during_the_lookup_finds_handlers(
    offered: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are loaded by several threads, and the first of them all ask for a handler."""
    offered.append(entry("CAM", f"{HERE}:Camera"))
    seen: list[Any] = []
    other = threading.Thread(target=lambda: seen.append(handlers.default_registry()))

    def slow(group: str) -> Any:
        if other.ident is None:
            other.start()
            other.join(20)
        return discover_handlers(group)

    monkeypatch.setattr(handlers, "discover_handlers", slow)
    assert [handlers.default_registry(), *seen] == [{"CAM": Camera}, {"CAM": Camera}]


def test_the_default_registry_has_both_groups_and_ours_win(offered: list[EntryPoint]) -> None:
    offered += [entry("CAM", f"{HERE}:Camera"), entry("CAM", f"{HERE}:OtherCamera", "underbutler.handlers")]
    offered += [entry("A", f"{HERE}:Camera")]
    assert handlers.default_registry() == {"A": Camera, "CAM": OtherCamera}


def test_import_paths_of_handlers_become_what_they_name() -> None:
    assert parse_handler_registry({"CAM": f"{HERE}.Camera", "B": OtherCamera}) == {"CAM": Camera, "B": OtherCamera}


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("nodots", ValueError, "is not an import path of the handler of spec 'CAM'"),
        ("no_such_package_here.Camera", ModuleNotFoundError, "no module 'no_such_package_here'"),
        (f"{HERE}.Camra", AttributeError, "has no 'Camra'. Did you mean 'Camera'?"),
    ],
)
def test_an_import_path_that_names_nothing_is_refused(path: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        parse_handler_registry({"CAM": path})
    assert isinstance(caught.value, UsageError)


def test_the_same_handler_twice_is_ignored_another_one_refused(offered: list[EntryPoint]) -> None:
    offered += [entry("OLD", f"{HERE}:Camera")]
    register_handler("CAM", Camera)
    register_handler("CAM", f"{HERE}.Camera")
    for spec in ("CAM", "OLD"):
        with pytest.raises(DuplicateHandler, match=f"'{spec}' has a handler already.*overwrite=True") as caught:
            register_handler(spec, OtherCamera)
        assert isinstance(caught.value, event_model.DuplicateHandler)
        register_handler(spec, OtherCamera, overwrite=True)
    assert handlers.default_registry() == {"CAM": OtherCamera, "OLD": OtherCamera}
    assert deregister_handler("CAM") is OtherCamera
    assert deregister_handler("CAM") is None
    assert deregister_handler("OLD") is OtherCamera
    assert handlers.default_registry() == {"OLD": Camera}


def test_a_registry_is_a_mapping_that_can_be_changed() -> None:
    registry = HandlerRegistry({"CAM": f"{HERE}.Camera"})
    registry["B"] = OtherCamera
    assert dict(registry) == {"CAM": Camera, "B": OtherCamera}
    del registry["B"]
    assert len(registry) == 1
    assert "Camera" in repr(registry)
    with pytest.raises(DuplicateHandler):
        registry.register("CAM", OtherCamera)


def test_transforms_are_given_by_kind_and_others_change_nothing() -> None:
    parsed = parse_transforms({"start": f"{HERE}.patch_start"})
    assert sorted(parsed) == ["descriptor", "resource", "start", "stop"]
    assert parsed["start"] is patch_start
    document = {"uid": "a"}
    assert parsed["stop"](document) is document
    assert {function(document) is document for function in parse_transforms(None).values()} == {True}


@pytest.mark.parametrize(
    ("transforms", "error", "text"),
    [
        (
            {"event": patch_start},
            NotImplementedError,
            "'event' cannot be transformed.*start, stop, resource, descriptor",
        ),
        ({"descriptors": patch_start}, NotImplementedError, "Did you mean 'descriptor'"),
        ([("start", patch_start)], ValueError, "are a mapping"),
        ({"start": 3}, ValueError, "must be a function"),
        ({"start": "nodots"}, ValueError, "is not an import path of the transform of 'start'"),
    ],
)
def test_transforms_that_cannot_be_are_refused(transforms: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        parse_transforms(transforms)
    assert isinstance(caught.value, UsageError)


def test_no_installed_handler_is_broken() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        discover_handlers("underbutler.handlers", skip_failures=False)
