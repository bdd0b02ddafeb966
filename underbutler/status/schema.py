"""The JSON Schema of what `underbutler status --format json` answers."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

__all__ = ["VERSION", "status_schema"]

VERSION: Final = 1
"""Version of the document; fields may be added within one."""


def status_schema() -> dict[str, Any]:
    """Return the JSON Schema of the service's status."""
    schema: dict[str, Any] = json.loads((files(__package__) / "status.schema.json").read_text(encoding="utf-8"))
    return schema
