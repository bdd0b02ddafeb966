"""Start and stop as the database searches them: the row of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from .conditions import COLUMNS

__all__ = ["document_of", "searchable", "start_row", "stop_row"]

_LARGEST: Final = 2**63
_WRITTEN_OUT: Final = 1e16
"""Python writes floats from here on with an exponent."""

_REPLACEMENT: Final = "\ufffd"


def start_row(start: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a run that has begun."""
    searched = searchable(start)
    return {
        **_columns("start", start),
        "start": searched,
        "start_exact": _exact(start, searched),
        "odd": _is_odd("start", start),
    }


def stop_row(stop: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a run's end fills."""
    searched = searchable(stop)
    columns = _columns("stop", stop)
    return {
        "stop_time": columns["time"],
        "exit_status": columns["exit_status"],
        "stop": searched,
        "stop_exact": _exact(stop, searched),
    }


def document_of(searched: Mapping[str, Any] | None, exact: str | None) -> dict[str, Any] | None:
    """Return a document as it was written."""
    if exact is not None:
        return dict(json.loads(exact))
    return None if searched is None else dict(searched)


def searchable(value: Any) -> Any:
    """Return a value without what a database's JSON cannot hold: what is not finite is null there."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if _is_clean(value) else "".join(c if _is_clean(c) else _REPLACEMENT for c in value)
    if isinstance(value, dict):
        return {searchable(key): searchable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [searchable(item) for item in value]
    return value


def _is_clean(text: str) -> bool:
    return (text.isascii() and "\x00" not in text) or not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in text)


def _exact(document: Mapping[str, Any], searched: Any) -> str | None:
    exact = json.dumps(document)
    return None if exact == json.dumps(searched) and _survives(searched) else exact


def _survives(value: Any) -> bool:
    """Tell whether PostgreSQL gives back numbers as they are: it writes large floats as integers, and forgets -0.0."""
    if isinstance(value, float):
        return abs(value) < _WRITTEN_OUT and (value != 0 or math.copysign(1, value) > 0)
    if isinstance(value, dict | list):
        return all(map(_survives, value.values() if isinstance(value, dict) else value))
    return True


def _columns(document: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _held(content.get(key), kind) for key, kind in _kinds(document).items()}


def _held(value: Any, kind: type) -> Any:
    """Return a value as its column holds it; None if that cannot."""
    if kind is str:
        return value if isinstance(value, str) and _is_clean(value) else None
    if not _is_number(value) or (kind is int and (value != int(value) or abs(value) >= _LARGEST)):
        return None
    return kind(value)


def _is_odd(document: str, content: Mapping[str, Any]) -> bool:
    return any(key in content and _held(content[key], kind) is None for key, kind in _kinds(document).items())


def _kinds(document: str) -> dict[str, type]:
    return {key: kind for (of_document, key), (_column, kind) in COLUMNS.items() if of_document == document}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
