"""One page for each JSON document that leaves or enters the program: its fields, and its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from underbutler.model.schemas import message_schema, notice_schema
from underbutler.pipe.request import request_schema
from underbutler.status import status_schema

__all__ = ["schema_pages"]

_PAGES = {
    "request": ("Job request", "What a user asks for: a job of one or more steps", request_schema),
    "message": ("Target message", "One target as it travels to a worker", message_schema),
    "notice": ("Notice", "A large file is in the annex, whole and verified", notice_schema),
    "status": ("Status", "Whether the service is well: `underbutler status --format json`", status_schema),
}

_INDEX = """\
# JSON documents

| document | |
|---|---|
{rows}

The documents of a run are those of [Bluesky's event model](../../explanations/run-documents.md).

```{{toctree}}
:hidden:

{names}
```
"""


def schema_pages() -> dict[str, str]:
    """Return the pages, in MyST Markdown, by their names below ``reference/``."""
    pages = {f"schemas/{name}.md": "\n".join(_lines(title, schema())) for name, (title, _, schema) in _PAGES.items()}
    rows = "\n".join(f"| [{title}]({name}.md) | {purpose} |" for name, (title, purpose, _) in _PAGES.items())
    return pages | {"schemas/index.md": _INDEX.format(rows=rows, names="\n".join(_PAGES))}


def _lines(title: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a page: a table of fields for the document and each part of it, then the schema."""
    yield f"# {title}\n\n{_words(schema)}\n"
    yield from _table(schema)
    for name, part in _parts(schema):
        yield f"## {part.get('title', name)}\n\n{_words(part)}\n"
        yield from _table(part)
    yield f"## JSON Schema\n\n```json\n{json.dumps(schema, indent=2, ensure_ascii=False)}\n```\n"


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the parts that there is something to say about."""
    for name, part in schema.get("$defs", {}).items():
        if part.get("properties") or part.get("description"):
            yield name, part


def _table(schema: Mapping[str, Any]) -> Iterator[str]:
    fields = schema.get("properties", {})
    if not fields:
        return
    yield "| field | is | |\n|---|---|---|"
    for name, field in fields.items():
        required = "" if name not in schema.get("required", ()) else ", required"
        yield f"| `{name}` | {_kind(field)}{required} | {_words(field)} |"
    yield ""


def _kind(field: Mapping[str, Any]) -> str:
    """Say in words of what kind a field is."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        words = name.replace("_", " ")
        return "any JSON" if name == "JsonValue" else f"[{words}](#{words.replace(' ', '-').lower()})"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    for several in ("anyOf", "oneOf"):
        if several in field:
            return " or ".join(dict.fromkeys(_kind(one) for one in field[several]))
    kind = field.get("type", "any value")
    if kind == "array" and "items" in field:
        return f"array of {_kind(field['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _words(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).replace("``", "`").split()).replace("|", "\\|")
