"""Writes the reference from the program: settings, maps, commands, Python names, JSON, rooms. A Sphinx extension.

What it writes goes to ``docs/reference`` and is not kept in git, but for the pages of settings and of instrument maps:
people are sent there, and a test compares them with the program. ``python docs/reference_pages`` writes all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .commands import command_pages
from .instrument_map import instrument_map_page
from .products import product_pages
from .python_names import python_pages
from .rooms import room_pages
from .schemas import schema_pages
from .settings import settings_page

__all__ = ["setup", "write_pages"]


def write_pages(reference: Path) -> list[Path]:
    """Write the pages that differ from what stands there; return them."""
    pages = {"settings.md": settings_page(), "instrument-map.md": instrument_map_page()}
    for make in (command_pages, product_pages, python_pages, schema_pages, room_pages):
        pages |= make()
    return [reference / name for name, text in pages.items() if _is_written(reference / name, text)]


def _is_written(path: Path, text: str) -> bool:
    """Write a page if it says something else now: Sphinx reads again what is new."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return True


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("config-inited", lambda app, _config: write_pages(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
