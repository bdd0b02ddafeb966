"""The configuration of a task as JSON Schema, with what its author says of each field."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["config_schema"]

_TYPES: Final[dict[Any, str]] = {int: "integer", float: "number", bool: "boolean", str: "string"}


def config_schema(config_class: Any) -> dict[str, Any]:
    """Return the schema of a pex_config class.

    Parameters
    ----------
    config_class
        A subclass of ``lsst.pex.config.Config``; its defaults are those of a new one.
    """
    return _of_config(config_class())


def _of_config(config: Any) -> dict[str, Any]:
    fields = {name: _of_field(field, getattr(config, name)) for name, field in config._fields.items()}
    return {"type": "object", "additionalProperties": False, "properties": fields}


def _of_field(field: Any, default: Any) -> dict[str, Any]:
    from lsst.pex.config import ChoiceField, Config, ConfigurableField, DictField, ListField, RangeField

    said = {"description": str(field.doc).strip()}
    if isinstance(field, ConfigurableField):
        return _of_config(default.value) | said
    if isinstance(default, Config):
        return _of_config(default) | said
    if isinstance(field, ListField):
        return said | {"type": "array", "items": _typed(field.itemtype), **_default(list(default or ()))}
    if isinstance(field, DictField):
        return said | {
            "type": "object",
            "additionalProperties": _typed(field.itemtype),
            **_default(dict((default or {}).items())),
        }
    schema = said | _typed(field.dtype, nullable=bool(field.optional)) | _default(default)
    if isinstance(field, ChoiceField):
        schema["enum"] = [choice for choice in field.allowed if _is_plain(choice)]
    if isinstance(field, RangeField):
        low = "minimum" if field.minCheck(field.min, field.min) else "exclusiveMinimum"
        high = "maximum" if field.maxCheck(field.max, field.max) else "exclusiveMaximum"
        schema |= {name: value for name, value in ((low, field.min), (high, field.max)) if value is not None}
    return schema


def _typed(kind: Any, *, nullable: bool = False) -> dict[str, Any]:
    name = _TYPES.get(kind)
    if name is None:
        return {}
    return {"type": [name, "null"] if nullable else name}


def _default(value: Any) -> dict[str, Any]:
    return {"default": value} if _is_plain(value) else {}


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
