"""Paths into a pex_config: ``detect.threshold``, ``measure.psf.width``, ``maskPlanes.CR``, and where they lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lsst.pex.config import Config, ConfigChoiceField, ConfigDictField, ConfigField, ConfigurableField, DictField, Field

from underbutler.errors import UnknownNameError, UsageError, suggest

__all__ = ["SELECTORS", "TARGET", "Place", "field_names", "find_place", "inner_config", "split_path"]

TARGET = "target"
"""Last step of a path that names the class of a subtask, as pex_config spells it."""

SELECTORS = ("name", "names")
"""Last steps of a path that name the choice of a registry field."""

_STEP = re.compile(r"""[.]?([^.\[\]]+)|\[\s*(?:'([^']+)'|"([^"]+)"|([^'"\]]+))\s*\]""")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path ends: a field of a config, or one key of a dict field.

    Parameters
    ----------
    config
        The config that holds the field.
    field
        The field.
    path
        The path in its one spelling, steps separated by dots.
    key
        The key inside a dict field; None for a whole field.
    """

    config: Any
    field: Any
    path: str
    key: str | None = None


def split_path(path: str) -> list[str]:
    """Split ``detect['psf'].width`` or ``detect.psf.width`` into its steps.

    Raises
    ------
    UsageError
        If it is not a path.
    """
    steps: list[str] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or (path[position] == "." and not steps):
            raise UsageError(f"{path!r} is not a valid config field. Example: detect.threshold.", path=path)
        steps.append(next(group for group in match.groups() if group is not None))
        position = match.end()
    if not steps:
        raise UsageError("An override needs the path of a config field before '='. Example: detect.threshold=3.")
    return steps


def find_place(config: Any, path: str) -> Place:
    """Find the field that a path names.

    Raises
    ------
    UnknownNameError
        If a step names nothing, with the nearest field and all fields there.
    UsageError
        If it ends at a nested config or goes on behind a value.
    """
    steps = split_path(path)
    normal = ".".join(steps)
    node, done = config, 0
    while True:
        field = _field(node, steps, done)
        rest = steps[done + 1 :]
        if not rest or rest[0] in _own_steps(field):
            return Place(node, field, normal)
        if isinstance(field, DictField) and not isinstance(field, ConfigDictField):
            return Place(node, field, normal, key=".".join(rest))
        node, taken = _descend(node, field, steps, done)
        done += taken
        if done == len(steps):
            raise UsageError(
                f"{normal!r} names a nested config, which cannot be set as a whole. Its fields: "
                f"{', '.join(field_names(node))}.",
                path=normal,
            )


def inner_config(value: Any) -> Any:
    """Return the config behind a proxy of a configurable field, or the value itself."""
    return value if isinstance(value, Config) else getattr(value, "value", value)


def field_names(config: Any) -> list[str]:
    """Return the names of a config's fields, sorted."""
    return sorted(type(inner_config(config))._fields)


def _own_steps(field: Field) -> tuple[str, ...]:
    if isinstance(field, ConfigurableField):
        return (TARGET,)
    if isinstance(field, ConfigChoiceField):
        return SELECTORS
    return ()


def _field(node: Any, steps: list[str], done: int) -> Any:
    inner = inner_config(node)
    name = steps[done]
    fields = type(inner)._fields
    if name not in fields:
        where = ".".join(steps[:done])
        known = sorted(fields)
        near = suggest(name, [*known])
        path = ".".join(steps)
        owner = f"{where!r} ({type(inner).__name__})" if where else type(inner).__name__
        raise UnknownNameError(
            f"There is no config field {path!r}: {owner} has no {name!r}.{near} Its fields: "
            f"{', '.join(known) or 'none'}. See all with --show config.",
            path=path,
            name=name,
            known=known,
        )
    return fields[name]


def _descend(node: Any, field: Any, steps: list[str], done: int) -> tuple[Any, int]:
    """Return the config below a field, and how many steps lead there."""
    inner = inner_config(node)
    value = getattr(inner, field.name)
    path = ".".join(steps[: done + 2])
    if isinstance(field, ConfigChoiceField | ConfigDictField):
        key: Any = steps[done + 1]
        if isinstance(field, ConfigDictField) and field.keytype is int and key.lstrip("-").isdigit():
            key = int(key)
        if isinstance(field, ConfigChoiceField) and key == "active":
            if value.active is None or field.multi:
                raise UsageError(f"{path!r}: nothing single is active there. Name the choice itself.", path=path)
            return value.active, 2
        if value is None or key not in value:
            raise UnknownNameError.of(
                f"choice of config field {'.'.join(steps[: done + 1])!r}", str(key), map(str, value or ())
            )
        return value[key], 2
    if isinstance(field, ConfigField | ConfigurableField) or isinstance(value, Config):
        return value, 1
    raise UsageError(
        f"{'.'.join(steps[: done + 1])!r} is a value and has no fields; {'.'.join(steps)!r} goes on behind it.",
        path=".".join(steps),
    )
