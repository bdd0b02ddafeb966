"""Values of config fields: from text (literals by the field's type, never ``eval``) and from JSON or TOML data."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from lsst.pex.config import ConfigChoiceField, DictField, ListField

from underbutler.errors import UsageError

__all__ = ["as_data", "from_data", "from_text"]

_TRUTHS = {"true": True, "false": False}
_NOTHING = ("None", "null")


def from_text(field: Any, text: str, path: str) -> Any:
    """Read a value from the command line by its field's type.

    ``3`` for a float field is 3.0, ``true`` and ``True`` are a bool, a text needs no quotes, ``None`` empties an
    optional field, a list is ``[1, 2]`` or ``1,2``, a dict is ``{"a": 1}``.

    Raises
    ------
    UsageError
        If the text is not a value of the type.
    """
    if text in _NOTHING and field.optional:
        return None
    if isinstance(field, ConfigChoiceField):
        return _list_from_text(text, str, path) if field.multi else _unquoted(text)
    if isinstance(field, DictField):
        return from_data(field, _literal(text), path)
    if isinstance(field, ListField):
        return from_data(field, _list_from_text(text, field.itemtype, path), path)
    return _scalar_from_text(field.dtype, text, path)


def from_data(field: Any, value: object, path: str) -> Any:
    """Check a value that came as data and return it as the field takes it.

    Raises
    ------
    UsageError
        If it is of another type; an int is taken for a float, a bool for neither.
    """
    if value is None:
        if not field.optional:
            raise UsageError(f"Config {path} may not be None.", path=path)
        return None
    if isinstance(field, ConfigChoiceField):
        return _choice(field, value, path)
    if isinstance(field, ListField):
        if not isinstance(value, list | tuple):
            raise _wrong_type(path, f"a list of {_words(field.itemtype)}", value)
        return [_scalar(field.itemtype, item, path) for item in value]
    if isinstance(field, DictField):
        if not isinstance(value, Mapping):
            raise _wrong_type(path, "a dict", value)
        return {_key(field, key, path): _item(field, item, path) for key, item in value.items()}
    return _scalar(field.dtype, value, path)


def key_and_item(field: Any, key: str, value: object, path: str, *, is_text: bool) -> tuple[Any, Any]:
    """Return one key and item of a dict field, from text or data."""
    if is_text and isinstance(value, str):
        item = _scalar_from_text(field.itemtype, value, path) if field.itemtype else _literal(value)
    else:
        item = _item(field, value, path)
    return _key(field, key, path), item


def as_data(value: object) -> Any:
    """Return a config value as JSON data: containers become plain, keys text, not-finite floats text."""
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        return value if value - value == 0 else repr(value)
    if isinstance(value, Mapping):
        return {str(key): as_data(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(as_data(item) for item in value)
    try:
        return [as_data(item) for item in value]  # type: ignore[attr-defined]
    except TypeError:
        return str(value)


def _choice(field: Any, value: object, path: str) -> Any:
    if not field.multi:
        if isinstance(value, str):
            return value
        raise _wrong_type(path, "one name", value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return list(value)
    raise _wrong_type(path, "a list of names", value)


def _key(field: Any, key: object, path: str) -> Any:
    if field.keytype is int and isinstance(key, str):
        return _scalar_from_text(int, key, path)
    return key if field.keytype is None else _scalar(field.keytype, key, path)


def _item(field: Any, item: object, path: str) -> Any:
    return item if field.itemtype is None or item is None else _scalar(field.itemtype, item, path)


def _scalar(dtype: Any, value: object, path: str) -> Any:
    if dtype is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str) and value in ("nan", "inf", "-inf"):
            return float(value)
        raise _wrong_type(path, "a float", value)
    if dtype in (int, str, bool):
        if isinstance(value, dtype) and (dtype is bool or not isinstance(value, bool)):
            return value
        raise _wrong_type(path, _words(dtype), value)
    if not isinstance(value, dtype):
        raise _wrong_type(path, _words(dtype), value)
    return value


def _scalar_from_text(dtype: Any, text: str, path: str) -> Any:
    if dtype is str:
        return _unquoted(text)
    if dtype is bool:
        if text.lower() not in _TRUTHS:
            raise _wrong_type(path, "true or false", text)
        return _TRUTHS[text.lower()]
    if dtype in (int, float):
        try:
            return dtype(text)
        except ValueError:
            raise _wrong_type(path, _words(dtype), text) from None
    return _scalar(dtype, _literal(text), path)


def _list_from_text(text: str, itemtype: Any, path: str) -> list[Any]:
    if text.startswith(("[", "(")):
        value = _literal(text)
        if isinstance(value, list | tuple):
            return list(value)
        raise _wrong_type(path, f"a list of {_words(itemtype)}", text)
    return [_scalar_from_text(itemtype, part.strip(), path) for part in text.split(",") if part.strip()]


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return text


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        value = _literal(text)
        if isinstance(value, str):
            return value
    return text


def _words(dtype: Any) -> str:
    named = {int: "an integer", float: "a float", str: "a text", bool: "true or false"}
    return named.get(dtype) or f"a {getattr(dtype, '__name__', dtype)}"


def _wrong_type(path: str, expected: str, value: object) -> UsageError:
    return UsageError(
        f"Config {path} takes {expected}, not {value!r}. See its description with --show config={path}.",
        path=path,
        value=value,
        expected=expected,
    )
