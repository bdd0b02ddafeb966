"""The instrument maps of repositories, as a process knows them: read once, and again when a file has changed."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from underbutler.instruments.instrument_map import InstrumentMap, shipped_maps

from .repository import kept_map_file

__all__ = ["KeptMaps"]

Stamp: TypeAlias = tuple[int, int] | None


class KeptMaps:
    """Instrument maps by repository and instrument: the one that a repository was given, else the one that ships."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Stamp, InstrumentMap | None]] = {}

    def get(self, root: str, name: str, *, is_remote: bool = False) -> InstrumentMap | None:
        """Return the map of an instrument, None if there is none.

        Parameters
        ----------
        root
            URI of the repository.
        name
            Name of the instrument.
        is_remote
            Whether `root` is a Butler server's: it keeps no maps.
        """
        if is_remote:
            return _shipped(name)
        file = kept_map_file(root, name)
        stamp = _stamp(Path(file.ospath)) if file.isLocal else None
        known = self._known.get((root, name))
        if file.isLocal and known is not None and known[0] == stamp:
            return known[1]
        exists = stamp is not None if file.isLocal else file.exists()
        found = InstrumentMap.model_validate_json(file.read()) if exists else _shipped(name)
        self._known[root, name] = (stamp, found)
        return found


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file is written anew, None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def _shipped(name: str) -> InstrumentMap | None:
    return next((one for one in shipped_maps() if one.name == name), None)
