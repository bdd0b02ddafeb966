"""The page of rooms: what each holds, and what it may import, from the contracts that import-linter checks."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["room_pages", "sentence_of"]

ROOT = Path(__file__).parents[2]

_INTRODUCTION = """\
# Rooms

What stands higher may import what stands lower, and nothing else; rooms of one row do not import each other. These are
the contracts in `pyproject.toml`, which `make lint` checks.
"""


def room_pages() -> dict[str, str]:
    """Return the page, in MyST Markdown, by its name below ``reference/``."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layered = [contract for contract in linter["contracts"] if contract["type"] == "layers"]
    return {"rooms/index.md": _INTRODUCTION + "".join(line for one in layered for line in _section(one))}


def sentence_of(module: str) -> str:
    """Return the first sentence of a module's or package's docstring."""
    parts = module.split(".")
    path = (ROOT / "client" if parts[0] == "underbutler_client" else ROOT).joinpath(*parts)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text())) or ""
    return " ".join(said.split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


def _section(contract: dict[str, Any]) -> Iterator[str]:
    container = (contract.get("containers") or [""])[0]
    yield f"\n## {container or 'Folders'}\n\n| may import what stands below | holds |\n|---|---|\n"
    for layer in contract["layers"]:
        names = [name.strip() for name in layer.split("|")]
        said = [sentence_of(f"{container}.{name}".lstrip(".")) for name in names]
        if len(names) > 1:
            said = [f"**{name}**: {words}" for name, words in zip(names, said, strict=True)]
        yield f"| {', '.join(f'`{name}`' for name in names)} | {'<br>'.join(said)} |\n"
