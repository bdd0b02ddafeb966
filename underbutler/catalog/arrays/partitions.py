"""Parts of a stream that are read one by one: which one is asked for, and which events it has."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from underbutler.errors import UsageError

from .filling import Fill

__all__ = ["Partition", "PartitionIndexError", "PartitionSizeError", "cut_into_partitions", "nominal_rows"]

PARTITION_BYTES = 16 * 2**20
"""Nominal size of a partition."""

PARTITION_EVENTS = 10_000
"""A partition never has more events."""


class PartitionIndexError(UsageError, IndexError):
    """A stream has no partition of this number."""


class PartitionSizeError(UsageError, ValueError):
    """A partition has at least one event."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition, as somebody asks for it.

    Parameters
    ----------
    index
        Its number.
    fill
        ``yes``, ``no`` or ``delayed``.
    size
        How many events are in one; None if the stream chooses.
    lenient
        Whether a number past the end gives no documents; else it is an error.
    """

    index: int
    fill: Fill
    size: int | None
    lenient: bool

    @classmethod
    def of(cls, partition: int | Mapping[str, Any], fill: Fill, partition_size: int | str) -> Partition:
        """Understand the arguments of ``read_partition``.

        Parameters
        ----------
        partition
            Its number, or a mapping of ``index``, ``fill`` and ``partition_size``.
        fill, partition_size
            Used unless a mapping says them.

        Raises
        ------
        PartitionIndexError
            If it is not a number.
        PartitionSizeError
            If the size is not a positive number.
        """
        lenient = isinstance(partition, Mapping)
        number: Any = partition
        if isinstance(partition, Mapping):
            number = partition.get("index")
            fill = partition.get("fill", "no")
            partition_size = partition.get("partition_size", "auto")
        try:
            index = operator.index(number)
        except TypeError as error:
            raise PartitionIndexError(
                f"{partition!r} names no partition. Give its number, which is counted from 0, or a mapping such as "
                "{'index': 0, 'fill': 'no'}.",
                index=number,
            ) from error
        return cls(index, fill, cls.size_of(partition_size), lenient)

    @staticmethod
    def size_of(partition_size: int | str) -> int | None:
        """Return how many events a partition shall have; None for ``auto``.

        Raises
        ------
        PartitionSizeError
            If it is not a positive number.
        """
        if partition_size == "auto":
            return None
        if not isinstance(partition_size, Integral) or partition_size < 1:
            raise PartitionSizeError(
                f"partition_size={partition_size!r} is not a size. Give a number of events, or 'auto'."
            )
        return int(partition_size)

    def there_is_none(self, stream: object, count: int | None = None) -> PartitionIndexError:
        """Return the error of a number past the end.

        Parameters
        ----------
        stream
            Of which stream, in the words of an error.
        count
            How many there are, if that is known.
        """
        said = f"{stream} has no partition of number {self.index}"
        if count is None:
            return PartitionIndexError(f"{said}: they are counted from 0.", index=self.index)
        there = "its only one is number 0" if count == 1 else f"it has {count}, 0 to {count - 1}"
        return PartitionIndexError(f"{said}: {there}.", index=self.index, partitions=count)


def nominal_rows(descriptors: Iterable[Mapping[str, Any]]) -> int:
    """Return how many events of these descriptors make a partition, if nobody says a size."""
    nominal = [sum(_nominal_bytes(said) for said in one["data_keys"].values()) for one in descriptors]
    return max(1, min(PARTITION_EVENTS, PARTITION_BYTES // max([1, *nominal])))


def cut_into_partitions(counts: Iterable[tuple[str, int]], size: int) -> list[list[tuple[str, int, int]]]:
    """Return of each partition which events of which descriptors it has: uid, skip, limit. There is at least one.

    Parameters
    ----------
    counts
        Uids of descriptors, and how many events each has.
    size
        How many events are in a partition.
    """
    partitions: list[list[tuple[str, int, int]]] = [[]]
    room = size
    for uid, count in counts:
        skip = 0
        while skip < count:
            if room == 0:
                partitions.append([])
                room = size
            rows = min(room, count - skip)
            partitions[-1].append((uid, skip, rows))
            skip, room = skip + rows, room - rows
    return partitions


def _nominal_bytes(said: Mapping[str, Any]) -> int:
    size = 8
    for length in said.get("shape") or ():
        size *= length if isinstance(length, int) and length > 0 else 1
    return size
