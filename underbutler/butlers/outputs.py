"""Where the datasets of a RUN collection are: for people, who want to open the files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["WrittenFiles", "written_files"]

_LOOKED_AT = 100
"""Datasets of one type whose place is asked for: their common folder is told."""


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """The datasets of one type in a RUN collection.

    Parameters
    ----------
    dataset_type
        Its name.
    count
        How many there are.
    place
        The file, if there is one; else the folder that holds all. A path, or the URL of an object store.
    """

    dataset_type: str
    count: int
    place: str


def written_files(butler: Butler, run: str, dataset_types: Iterable[str]) -> list[WrittenFiles]:
    """Return what a RUN collection holds of these dataset types, of those that it holds any."""
    from lsst.daf.butler import MissingCollectionError, MissingDatasetTypeError

    found = []
    for name in dataset_types:
        try:
            with butler.query() as query:
                results = query.datasets(name, collections=[run], find_first=False)
                count = results.count()
                refs = list(results.limit(_LOOKED_AT))
        except MissingCollectionError:
            return []
        except MissingDatasetTypeError:
            continue
        places = [_place(butler, ref) for ref in refs]
        if places:
            found.append(WrittenFiles(name, count, places[0] if count == 1 else _common_folder(places)))
    return found


def _place(butler: Butler, ref: object) -> str:
    uri = butler.getURI(ref)
    return str(uri.ospath) if uri.scheme == "file" else str(uri)


def _common_folder(places: list[str]) -> str:
    parts = [place.split("/")[:-1] for place in places]
    shared = itertools.takewhile(lambda names: len(set(names)) == 1, zip(*parts, strict=False))
    return "".join(f"{names[0]}/" for names in shared)
