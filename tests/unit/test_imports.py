"""The arrows between rooms hold, and importing the library costs nothing and has no effect."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import underbutler
from underbutler.lazy import lazy_names

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "package", ["underbutler", "underbutler.pipe", "underbutler.butlers", "underbutler.annex", "underbutler.catalog"]
)
def test_every_public_name_is_there_and_no_module_hides_it(package: str) -> None:
    module = importlib.import_module(package)
    for name in module._HOME_OF:
        assert not hasattr(getattr(module, name), "__path__"), name
        assert type(getattr(module, name)).__name__ != "module", f"{package}.{name} is a module of the same name"
        assert name in dir(module)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'underbutler' has no attribute 'nothing'"):
        underbutler.nothing  # noqa: B018
    load, names = lazy_names("somewhere", {"b": ".x", "a": ".x"})
    assert names() == ["a", "b"]
    with pytest.raises(AttributeError, match="somewhere"):
        load("c")
