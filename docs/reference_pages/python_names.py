"""One page for each public import place, with a page for each name that it has."""

from __future__ import annotations

import importlib

__all__ = ["PLACES", "python_pages"]

PLACES = {
    "underbutler": "What the author of a task needs",
    "underbutler.butlers": "Repositories, references that can get and put, frames on their way in",
    "underbutler.annex": "Buckets, deliveries and notices",
    "underbutler.catalog": "Jobs as runs: searched, and read as arrays",
}
"""The import places that stay as they are, with what each is for."""

OF_UPSTREAM = {"underbutler": {"Task": "lsst.pipe.base"}}
"""Names that are handed on as they are, and whose own documentation only holds among its neighbours' pages."""

_PAGE = """\
# `{place}`

{purpose}.{handed_on}

```{{eval-rst}}
.. currentmodule:: {place}

.. autosummary::
   :toctree: names
   :nosignatures:

{names}
```
"""

_INDEX = """\
# Python

These places are meant to be imported from, and keep their names. What is in no list below may move at any time.

| import from | |
|---|---|
{rows}

```{{toctree}}
:hidden:

{names}
```
"""


def python_pages() -> dict[str, str]:
    """Return the pages, in MyST Markdown, by their names below ``reference/``."""
    pages = {
        f"python/{place}.md": _PAGE.format(
            place=place, purpose=purpose, handed_on=_handed_on(place), names=_indented(place)
        )
        for place, purpose in PLACES.items()
    }
    rows = "\n".join(f"| [`{place}`]({place}.md) | {purpose} |" for place, purpose in PLACES.items())
    return pages | {"python/index.md": _INDEX.format(rows=rows, names="\n".join(PLACES))}


def _handed_on(place: str) -> str:
    names = [f"`{name}` is `{home}.{name}`." for name, home in OF_UPSTREAM.get(place, {}).items()]
    return "".join(f" {sentence}" for sentence in names)


def _indented(place: str) -> str:
    ours = set(importlib.import_module(place).__all__) - set(OF_UPSTREAM.get(place, {}))
    names = sorted(name for name in ours if not name.startswith("__"))
    return "\n".join(f"   {name}" for name in names)
