"""The effective config of a job, defaults and overrides together: as JSON, its digest, and how two of them differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsst.pex.config import Config, ConfigChoiceField, ConfigDictField, ConfigField, ConfigurableField

from underbutler.model.message import canonical_json

from .overrides import apply_overrides, validated
from .path import inner_config
from .value import as_data

if TYPE_CHECKING:
    from underbutler.pipe.task_like import TaskLike

__all__ = ["Difference", "config_digest", "config_json", "differences", "effective_config", "flattened"]

Difference = tuple[str, Any, Any]
"""A path, and its value on either side; `ABSENT` where there is none."""

ABSENT = "(absent)"


def effective_config(task_class: type[TaskLike], overrides: Iterable[Sequence[Any]] = ()) -> Config:
    """Return a task's config: defaults, the task's own overrides, then `overrides` in order; validated and frozen.

    Raises
    ------
    UsageError
        If an override cannot be applied, or the result is not valid.
    """
    config = task_class.ConfigClass()
    task_class.applyOverrides(config)
    apply_overrides(config, overrides)
    return validated(config)


def config_json(config: Config) -> dict[str, Any]:
    """Return a config as JSON data.

    As pex_config's ``toDict``, and besides: the class of each subtask under ``@target``; of a registry only what is
    chosen, so that installing another plugin does not change it.
    """
    inner = inner_config(config)
    return {name: _rendered(field, inner) for name, field in sorted(type(inner)._fields.items())}


def config_digest(config: Config | Mapping[str, Any]) -> str:
    """Return the SHA-256 of a config's canonical JSON, hexadecimal.

    Parameters
    ----------
    config
        A config, or what `config_json` returned.
    """
    document = dict(config) if isinstance(config, Mapping) else config_json(config)
    return hashlib.sha256(canonical_json(document)).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return the paths at which two JSON documents differ, with both values, sorted by path."""
    left, right = flattened(old), flattened(new)
    paths = sorted(left.keys() | right.keys())
    pairs = [(path, left.get(path, ABSENT), right.get(path, ABSENT)) for path in paths]
    return [(path, before, after) for path, before, after in pairs if before != after]


def flattened(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested document as one level of dotted paths; lists are values."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _rendered(field: Any, config: Any) -> Any:
    value = getattr(config, field.name)
    if isinstance(field, ConfigurableField):
        target = value.target
        return {"@target": f"{target.__module__}.{target.__qualname__}", **config_json(value.value)}
    if isinstance(field, ConfigChoiceField):
        return _chosen(field, value)
    if isinstance(field, ConfigDictField):
        return None if value is None else {str(key): config_json(item) for key, item in sorted(value.items())}
    if isinstance(field, ConfigField) or isinstance(value, Config):
        return None if value is None else config_json(value)
    return as_data(field.toDict(config))


def _chosen(field: Any, value: Any) -> dict[str, Any]:
    names = None if value.active is None else list(value.names) if field.multi else [value.name]
    chosen = {} if names is None else {str(name): config_json(value[name]) for name in sorted(names)}
    if field.multi:
        return {"names": None if names is None else sorted(map(str, names)), **chosen}
    return {"name": None if names is None else str(names[0]), **chosen}
