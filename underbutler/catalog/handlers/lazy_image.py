"""Images that are read where they are indexed: what dask needs to know of them, and which bytes an index means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Box", "Layout", "LazyImage"]

AnyArray: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a header says of the pixels.

    Parameters
    ----------
    shape
        Of the array, the slowest axis first.
    dtype
        Of its values, after BZERO and BSCALE.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Box:
    """What is read of an image for an index, and what of that is chosen.

    Rows are read whole: a section that is narrower than the image costs one request, not one for each row.
    """

    read: tuple[int | slice, ...]
    chosen: tuple[int | slice, ...]

    @classmethod
    def around(cls, shape: tuple[int, ...], key: tuple[Any, ...]) -> Box | None:
        """Return the box of an index of integers and slices; None if it selects nothing."""
        read: list[int | slice] = []
        chosen: list[int | slice] = []
        for axis, size in enumerate(shape):
            index = key[axis] if axis < len(key) else slice(None)
            whole = axis == len(shape) - 1 and axis > 0
            if not isinstance(index, slice):
                number = range(size)[int(index)]
                read.append(slice(None) if whole else number)
                if whole:
                    chosen.append(number)
                continue
            picked = range(size)[index]
            if not picked:
                return None
            low, high = (0, size) if whole else (min(picked), max(picked) + 1)
            read.append(slice(low, high))
            stop = picked[-1] - low + (1 if picked.step > 0 else -1)
            chosen.append(slice(picked[0] - low, None if stop < 0 else stop, picked.step))
        return cls(tuple(read), tuple(chosen))


class LazyImage:
    """An image of a file as dask wants it: what is indexed is read. Pickles as far as `read` does.

    Parameters
    ----------
    read
        Returns what an index of integers and slices selects.
    layout
        Shape and dtype.
    """

    def __init__(self, read: Callable[[tuple[int | slice, ...]], AnyArray], layout: Layout) -> None:
        self._read = read
        self.shape, self.dtype = layout.shape, layout.dtype
        self.ndim = len(layout.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        wanted = list(key if isinstance(key, tuple) else (key,))
        lists: list[tuple[int, list[int]]] = []  # of an axis of the result, which of what is read
        axis = 0
        for position, index in enumerate(wanted):
            if isinstance(index, int | np.integer):
                continue
            if not isinstance(index, slice):
                numbers = np.arange(self.shape[position])[index].tolist()
                begin = min(numbers, default=0)
                wanted[position] = slice(begin, max(numbers, default=-1) + 1)
                lists.append((axis, [number - begin for number in numbers]))
            axis += 1
        array = self._read(tuple(wanted))
        for along, numbers in lists:
            array = np.take(array, np.array(numbers, int), axis=along)
        return array
