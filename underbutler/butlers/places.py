"""Where files are: a path of this machine is taken as it is written, a URI as the URI that it is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsst.resources import ResourcePath

__all__ = ["place_of"]

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def place_of(place: str | Path, *, is_folder: bool | None = None) -> ResourcePath:
    """Return the resource that a path or a URI names.

    In a path ``%20`` and ``#`` are characters of a name. The resource class would decode the one and cut at the other,
    and take another file than the one that was named.

    Parameters
    ----------
    place
        Path, or URI.
    is_folder
        Whether it is a folder; None leaves it to how it ends.
    """
    from lsst.resources import ResourcePath

    text = str(place)
    if not _URI.match(text):
        ends = "/" if text.endswith("/") else ""
        text = Path(os.path.abspath(Path(text).expanduser())).as_uri() + ends  # noqa: PTH100 - takes ".." away
    return ResourcePath(text, forceAbsolute=True, forceDirectory=is_folder)
