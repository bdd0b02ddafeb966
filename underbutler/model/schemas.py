"""JSON Schemas of the two documents that leave the program: a target's message, and a notice."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["message_schema", "notice_schema"]


def message_schema() -> dict[str, Any]:
    """Return the JSON Schema of a target's message: its task, its args, and our header."""
    return _shipped("target_message.schema.json")


def notice_schema() -> dict[str, Any]:
    """Return the JSON Schema of a notice."""
    return _shipped("notice.schema.json")


def _shipped(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files(__package__) / name).read_text(encoding="utf-8"))
    return schema
