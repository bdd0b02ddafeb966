"""External values of a run on a server: the server loads them, with its own handlers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from underbutler.catalog.arrays.external import ExternalData, Place
from underbutler.catalog.arrays.field_types import AnyArray, Declared
from underbutler.catalog.arrays.filling import Fillers
from underbutler.catalog.transforms import unchanged
from underbutler.errors import UnderbutlerError, UsageError

from .errors import RemoteUnavailableError
from .source import RemoteRun

__all__ = ["RemoteExternal"]

BLOCK_BYTES: Final = 2**20
"""External values smaller than this are fetched together."""

BLOCK_EVENTS: Final = 256
"""And never more than so many: each may be a file that the server has to open."""

_KEPT_BLOCKS: Final = 32


class RemoteExternal(ExternalData):
    """Loads external values through the server, by row, several small ones at a time.

    Parameters
    ----------
    run
        The run on its server.
    """

    def __init__(self, run: RemoteRun) -> None:
        super().__init__(run, Fillers(), unchanged)
        self._run = run
        self._blocks: OrderedDict[tuple[str, str, int], Any] = OrderedDict()
        self._fetching: dict[tuple[str, str, int], threading.Lock] = {}

    def __getstate__(self) -> tuple[Any, ...]:
        return (self._run,)

    def prepare(self, datum_ids: Any) -> None:
        """Do nothing: a row's number needs no look-up."""

    def load(self, datum_id: Any, descriptor: Mapping[str, Any], place: Place) -> AnyArray:
        """Return the value of a row.

        Parameters
        ----------
        datum_id
            The row's number, as `RemoteRows` gives it.
        descriptor
            The event's descriptor.
        place
            Where the event is.

        Raises
        ------
        UnderbutlerError
            What the server raised.
        """
        row = int(datum_id)
        declared = Declared.of(place.key, descriptor["data_keys"][place.key], place.stream, dtype=False)
        rows = 1
        if declared.fixed_shape is not None:
            rows = max(1, min(BLOCK_EVENTS, BLOCK_BYTES // declared.value_bytes))
        if rows == 1:
            return np.asarray(self._fetched(place, descriptor["uid"], row, 1)[0])
        key = (descriptor["uid"], place.key, row - row % rows)
        with self._finding:
            lock = self._fetching.setdefault(key, threading.Lock())
        with lock:
            block = self._kept(key)
            if block is None or len(block) <= row - key[2]:
                try:
                    block = self._fetched(place, descriptor["uid"], key[2], rows)
                except RemoteUnavailableError:
                    raise
                except UnderbutlerError:  # of another event's value, perhaps
                    return np.asarray(self._fetched(place, descriptor["uid"], row, 1)[0])
                self._keep(key, block)
        return np.array(block[row - key[2]])

    def _fetched(self, place: Place, descriptor_uid: str, row: int, rows: int) -> Any:
        parts = self._run.partition(
            place.stream,
            0,
            descriptor=descriptor_uid,
            skip=row,
            partition_size=rows,
            include=[place.key],
            fill=True,
        )
        if not parts:
            raise UsageError(f"{place} is on the server no more. Open the run again.", field=place.key)
        return parts[0]["data"][place.key]

    def _kept(self, key: tuple[str, str, int]) -> Any:
        with self._finding:
            if key in self._blocks:
                self._blocks.move_to_end(key)
            return self._blocks.get(key)

    def _keep(self, key: tuple[str, str, int], block: Any) -> None:
        with self._finding:
            self._blocks[key] = block
            while len(self._blocks) > _KEPT_BLOCKS:
                oldest, _ = self._blocks.popitem(last=False)
                self._fetching.pop(oldest, None)
