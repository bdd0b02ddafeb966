"""The page of instrument maps: every table and field, made from the models that read them."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from underbutler.instruments.instrument_map import InstrumentMap, shipped_dialects, shipped_maps
from underbutler.instruments.keywords import Keyword, Table

__all__ = ["instrument_map_page", "tables"]

_INTRODUCTION = """\
# Instrument maps

A map says how the headers of one camera's frames are read: a TOML file, given with `--instrument-map FILE` to
`underbutler repo create` or `underbutler ingest`, and kept by the repository. How to write one:
[describe a camera](../howto/describe-a-camera.md).

A field of the type *keyword* names a header card, whose value is read from each frame; every other field is a value
itself. What a reduction needs is read from the keyword that `[frame]` names, else from the value under `[constants]`,
else from the usual keyword (GAIN, or EGAIN where it is written; RDNOISE, BIASSEC, TRIMSEC, SATURATE, EXPTIME).

<!-- Written by `make reference` from underbutler/instruments: change it there. -->
"""


def instrument_map_page() -> str:
    """Return the page."""
    lines = [_INTRODUCTION]
    for name, table in tables():
        lines += [f"## `{name}`" if name else "## The file itself", "", _sentence(table), ""]
        lines += ["| field | type | default | |", "|---|---|---|---|"]
        for field, info in table.model_fields.items():
            if not _tables_of(info.annotation):
                lines.append(f"| `{field}` | {_type(info)} | {_default(info)} | {_cell(info.description)} |")
        lines += [f"| `{field}` | table | | As `[{field}]`, of this one. |" for field in _inner(table)]
        lines.append("")
    lines += ["## What ships", "", "| map | for |", "|---|---|"]
    lines += [f"| `{one.name}` | {one.description} |" for one in (*shipped_maps(), *shipped_dialects())]
    return "\n".join(lines) + "\n"


def tables() -> Iterator[tuple[str, type[Table]]]:
    """Yield the tables of a map by their names in TOML."""
    yield "", InstrumentMap
    for field, info in InstrumentMap.model_fields.items():
        for table in _tables_of(info.annotation):
            is_list = get_origin(info.annotation) is tuple
            yield (f"[[{field}]]" if is_list else f"[{field}]"), table


def _inner(table: type[Table]) -> list[str]:
    """Return the tables that one of a list holds."""
    held = [field for field, info in table.model_fields.items() if _tables_of(info.annotation)]
    return [] if table is InstrumentMap else held


def _tables_of(annotation: Any) -> list[type[Table]]:
    parts = [annotation, *(inner for one in get_args(annotation) for inner in [one, *get_args(one)])]
    return [one for one in parts if isinstance(one, type) and issubclass(one, Table)]


def _type(info: FieldInfo) -> str:
    if any(type(one).__name__ == "BeforeValidator" for one in info.metadata) or _holds_keyword(info.annotation):
        return _words(info.annotation).replace("text", "keyword", 1)
    return _words(info.annotation)


def _holds_keyword(annotation: Any) -> bool:
    return annotation is Keyword or any(_holds_keyword(one) for one in get_args(annotation) if one is not str)


def _words(annotation: Any) -> str:
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if annotation in plain:
        return plain[annotation]
    origin, inner = get_origin(annotation), [one for one in get_args(annotation) if one not in (type(None), ...)]
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(one) for one in inner))
    if origin is tuple:
        return f"list of {_words(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return _words(inner[0])
    return "table" if origin is dict else "value"


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True) if info.default_factory is not None else info.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ((), {}, "") or isinstance(value, Table):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _sentence(table: type[Table]) -> str:
    return " ".join((table.__doc__ or "").split())


def _cell(text: str | None) -> str:
    return " ".join((text or "").replace("``", "`").replace("|", "\\|").split())
