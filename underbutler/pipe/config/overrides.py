"""Config overrides as ordered data: ``[["detect.threshold", 3.0], …]``, over a task's defaults.

The record of a job holds them; a worker applies them again. A subtask is retargeted only by a name of the entry-point
group ``underbutler.subtasks``: no import path is ever in them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from lsst.pex.config import Config, ConfigChoiceField, ConfigDictField, ConfigField, ConfigurableField, DictField
from lsst.pex.config.callStack import StackFrame

from underbutler.errors import UsageError
from underbutler.pipe.plugins import load_subtask

from .path import SELECTORS, TARGET, Place, find_place, inner_config
from .value import as_data, from_data, from_text, key_and_item

__all__ = [
    "Override",
    "apply_overrides",
    "apply_text",
    "apply_value",
    "read_table",
    "split_word",
    "table_items",
    "validated",
]

Override: TypeAlias = list[Any]
"""A path and a value of JSON."""


def apply_overrides(config: Config, overrides: Iterable[Sequence[Any]]) -> list[Override]:
    """Apply overrides that came as data, in order, and return them in their one spelling.

    Raises
    ------
    UsageError
        If one names no field or has a value that the field does not take.
    """
    return [_set(config, *_pair(pair), origin="override") for pair in overrides]


def apply_text(config: Config, path: str, text: str, origin: str) -> Override:
    """Apply one override of which the value is text of the command line, and return it as data.

    Raises
    ------
    UsageError
        If it names no field, or has a value that the field does not take.
    """
    return _set(config, path, text, origin=origin, is_text=True)


def apply_value(config: Config, path: str, value: Any, origin: str) -> list[Override]:
    """Apply one override of which the value is data, and return it; a nested config gives one for each of its fields.

    Within such a mapping the class of a subtask (``target``) and the choice of a registry (``name``, ``names``) are
    applied first.

    Raises
    ------
    UsageError
        If it names no field, or has a value that the field does not take.
    """
    if isinstance(value, Mapping) and not _takes_mapping(config, (path,)):
        return _apply_table(config, value, (path,), origin)
    return [_set(config, path, value, origin=f"{origin}: {path}")]


def split_word(word: str) -> tuple[str, str]:
    """Return path and text of ``PATH=VALUE``.

    Raises
    ------
    UsageError
        If it is not such a word.
    """
    path, equals, text = word.partition("=")
    if not equals:
        raise UsageError(
            f"-c takes PATH=VALUE; {word!r} is not of that form. Example: -c detect.threshold=3.", word=word
        )
    return path.strip(), text


def read_table(path: Path) -> list[tuple[str, Any]]:
    """Return the entries of a TOML file of overrides, tables being nested configs, in the order of their application.

    Raises
    ------
    UsageError
        If the file cannot be read, or is not TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The config file {path} cannot be read: {error.strerror}.", path=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The config file {path} is not TOML: {error}.", path=str(path)) from error
    return table_items(table)


def table_items(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries of a table of overrides as JSON data, in the order of their application."""
    return [(key, _json(table[key])) for key in sorted(table, key=lambda key: key not in (TARGET, *SELECTORS))]


def validated(config: Config) -> Config:
    """Validate and freeze a config, and return it.

    Raises
    ------
    UsageError
        If it is not valid, with the field and the reason.
    """
    try:
        config.validate()
    except Exception as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"The config {type(config).__name__} is not valid: {_reason(error)}. Correct it with -c PATH=VALUE."
        ) from error
    config.freeze()
    return config


def _apply_table(config: Config, table: Mapping[str, Any], path: tuple[str, ...], origin: str) -> list[Override]:
    done: list[Override] = []
    for key in sorted(table, key=lambda key: key not in (TARGET, *SELECTORS)):
        steps, value = (*path, key), table[key]
        if isinstance(value, Mapping) and not _takes_mapping(config, steps):
            done += _apply_table(config, value, steps, origin)
        else:
            done.append(_set(config, ".".join(steps), value, origin=f"{origin}: {'.'.join(steps)}"))
    return done


def _json(value: Any) -> Any:
    """Return a value that came out of TOML as JSON: numbers that are not finite become text."""
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return as_data(value) if isinstance(value, float) else value


def _takes_mapping(config: Config, steps: tuple[str, ...]) -> bool:
    """Tell whether a TOML table is the value of a dict field, and not a nested config."""
    try:
        field = find_place(config, ".".join(steps)).field
    except UsageError:
        return False
    return isinstance(field, DictField) and not isinstance(field, ConfigDictField)


def _pair(pair: Sequence[Any]) -> tuple[str, Any]:
    """Return path and value; a third item, the instrument whose map says it, changes nothing here."""
    if isinstance(pair, str) or len(pair) not in (2, 3) or not isinstance(pair[0], str):
        raise UsageError(f"An override is a pair [path, value]; {pair!r} is none.")
    return pair[0], pair[1]


def _set(config: Config, path: str, value: Any, *, origin: str, is_text: bool = False) -> Override:
    place = find_place(config, path)
    at = [StackFrame(origin, 0, "override", content="")]
    try:
        data = _write(place, value, at, is_text=is_text)
    except UsageError:
        raise
    except Exception as error:  # pex_config and a field's own check may raise anything
        raise UsageError(
            f"Config {place.path} does not take {value!r}: {_reason(error)}. See --show config={place.path}.",
            path=place.path,
            value=value,
        ) from error
    return [place.path, as_data(data)]


def _write(place: Place, value: Any, at: list[Any], *, is_text: bool) -> Any:
    field, config = place.field, inner_config(place.config)
    if isinstance(field, ConfigurableField):
        return _retarget(place, value, at)
    if isinstance(field, ConfigField | ConfigDictField):
        raise UsageError(
            f"{place.path!r} is a nested config, which cannot be set as a whole. Name one of its fields.",
            path=place.path,
        )
    if place.key is not None:
        key, data = key_and_item(field, place.key, value, place.path, is_text=is_text)
        mapping = getattr(config, field.name)
        if mapping is None:
            mapping = {}
        field.__set__(config, {**mapping, key: data}, at=at, label="override")
        return data
    data = from_text(field, value, place.path) if is_text else from_data(field, value, place.path)
    if isinstance(field, ConfigChoiceField):
        _check_choices(place, data)
    config.__setattr__(field.name, data, at=at, label="override")
    return data


def _retarget(place: Place, value: Any, at: list[Any]) -> str:
    if not isinstance(value, str):
        raise UsageError(f"Config {place.path} takes the name of a subtask, not {value!r}.", path=place.path)
    proxy = getattr(inner_config(place.config), place.field.name)
    proxy.retarget(load_subtask(value), at=at, label="override")
    return value


def _check_choices(place: Place, data: Any) -> None:
    from underbutler.errors import UnknownNameError

    known = [str(name) for name in place.field.typemap]
    for name in data if isinstance(data, list) else [data]:
        if name is not None and name not in known:
            raise UnknownNameError.of(f"choice of config field {place.path!r}", name, known)


def _reason(error: Exception) -> str:
    """Return pex_config's reason without the many lines of where it was."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.removesuffix(".")
