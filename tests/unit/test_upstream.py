"""Private names of upstreams: each is still there, and none is used that is not listed."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from underbutler.upstream import PRIVATE_NAMES, PrivateName

ROOT = Path(__file__).parents[2]
PRODUCT = ("underbutler", "workers", "tasks", "beat")
PROMISED = {"_exit"}
"""Documented by their owners in spite of the underscore."""


MAKERS = {"__init__", "__new__"}


def names_in(function: Any) -> tuple[str, ...]:
    """Return the names that a function of Python uses; of one that is written in C, none are known."""
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_names", ())


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def has(owner: str, name: str) -> bool:
    """Tell whether a class or a module has an attribute, or a class sets one when an object is made."""
    module, _, class_name = owner.partition(":")
    found = importlib.import_module(module)
    if not class_name:
        return hasattr(found, name)
    parts = [vars(one) for one in getattr(found, class_name).__mro__]
    makers = [getattr(part[word], "__func__", part[word]) for part in parts for word in MAKERS & set(part)]
    return any(name in part for part in parts) or any(name in names_in(maker) for maker in makers)


@pytest.mark.parametrize("private", PRIVATE_NAMES, ids=lambda one: f"{one.owner.rpartition(':')[2]}.{one.name}")
def test_an_upstream_still_has_it(private: PrivateName) -> None:
    assert has(private.owner, private.name), (
        f"{private.owner} has no {private.name} any more, which is used for this: {private.reason}. Find what replaces "
        "it in that release, or bound the release in pyproject.toml."
    )


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert not has("kombu.transport.redis:Channel", "_no_such_name")
    assert not has("kombu.transport.redis", "_no_such_name")


def own_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                yield name


def used_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Load()):
                yield name
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield name


def test_every_private_name_that_is_nobody_elses_is_listed() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for room in PRODUCT for path in (ROOT / room).rglob("*.py")]
    own = {name for tree in trees for name in own_names(tree)}
    used = {name for tree in trees for name in used_names(tree) if is_private(name)}
    assert used - own - PROMISED <= {private.name for private in PRIVATE_NAMES}


def test_each_private_method_of_the_transport_is_listed() -> None:
    from workers.transport import channel, messages, transport

    listed = {private.name for private in PRIVATE_NAMES}
    for ours in (channel.Channel, messages.Message, messages.QoS, transport.Poller, transport.Transport):
        theirs = {name for base in ours.__mro__ if base.__module__.startswith("kombu") for name in vars(base)}
        assert {name for name in vars(ours) if is_private(name)} & theirs <= listed, ours


def test_no_private_module_of_an_upstream_is_imported() -> None:
    for room in PRODUCT:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                    words = [*node.module.split("."), *(alias.name for alias in node.names)]
                    assert not any(map(is_private, words)) or words[0] in PRODUCT, f"{path}: {ast.unparse(node)}"
