"""Calibrations that a process has read, so that a bias is read once per worker and not once per target."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

import numpy as np

from underbutler import metrics

__all__ = ["CalibrationCache"]

T = TypeVar("T")

MOST_FACTS: Final = 10_000
"""How many datasets something small is kept of."""


class CalibrationCache:
    """Datasets by UUID, bounded in bytes; the least recently used goes first.

    Datasets are immutable in the Butler, so that an entry never grows stale. Every array of an entry is read-only: a
    task that writes into one is told so by numpy instead of spoiling the next target. An object that says how
    (``shared()``) is handed out as a shell of its own around the same arrays. Safe to share between threads.

    Parameters
    ----------
    limit_bytes
        Largest sum of array bytes that is kept; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[tuple[uuid.UUID, str], tuple[Any, int]] = OrderedDict()
        self._facts: OrderedDict[uuid.UUID, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, dataset: uuid.UUID, read: Callable[[], Any], component: str = "") -> Any:
        """Return a dataset, read at the first call.

        Parameters
        ----------
        dataset
            Its UUID.
        read
            Reads it from the Butler.
        component
            Name of a component, if only that is read.
        """
        key = (dataset, component)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
                self.hits += 1
                metrics.CACHE_READS.count(cache="calibrations", outcome="hit")
                return _handed_out(entry[0])
            self.misses += 1
            metrics.CACHE_READS.count(cache="calibrations", outcome="miss")
        value = read()
        arrays = list(_arrays_of(value))
        size = sum(array.nbytes for array in arrays)
        if not arrays or size > self.limit_bytes:
            return value
        for array in arrays:
            array.setflags(write=False)
        with self._lock:
            self._keep(key, value, size)
        return _handed_out(value)

    def fact(self, dataset: uuid.UUID, read: Callable[[], T]) -> T:
        """Return something small that is known of a dataset, read at the first call.

        Parameters
        ----------
        dataset
            Its UUID.
        read
            Reads it.
        """
        with self._lock:
            if dataset in self._facts:
                known: T = self._facts[dataset]
                return known
        value = read()
        with self._lock:
            self._facts[dataset] = value
            while len(self._facts) > MOST_FACTS:
                self._facts.popitem(last=False)
        return value

    def clear(self) -> None:
        """Drop every entry; the counts stay."""
        with self._lock:
            self._entries.clear()
            self._facts.clear()
            self.size_bytes = 0

    def _keep(self, key: tuple[uuid.UUID, str], value: Any, size: int) -> None:
        replaced = self._entries.pop(key, None)
        if replaced is not None:
            self.size_bytes -= replaced[1]
        self._entries[key] = (value, size)
        self.size_bytes += size
        while self.size_bytes > self.limit_bytes:
            _, (_, dropped) = self._entries.popitem(last=False)
            self.size_bytes -= dropped


def _handed_out(value: Any) -> Any:
    shared = getattr(value, "shared", None)
    return shared() if callable(shared) else value


def _arrays_of(value: Any, depth: int = 4) -> Iterator[np.ndarray[Any, Any]]:
    if isinstance(value, np.ndarray):
        yield value
    elif depth:
        for part in _parts_of(value):
            yield from _arrays_of(part, depth - 1)


def _parts_of(value: Any) -> list[Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, one.name) for one in fields(value)]
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    names = ("data", "mask", "uncertainty", "array")  # NDData and its uncertainties, tables' columns
    return [part for part in (getattr(value, name, None) for name in names) if part is not None]
