"""Names of the dimensions of a stream's arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from .field_types import Declared, Shape

__all__ = ["TIME", "Dimensions"]

TIME = "time"


class Dimensions:
    """Gives the dimensions of each field names, so that one dataset can hold all fields.

    Names are those of the descriptor, else ``dim_0``, ``dim_1``… counted through. A name of the descriptor is preceded
    by that of the field (``preview_y``) where an earlier field of the stream has it with another size, where a field is
    called so, and where the field itself has it already. It does not depend on which fields are read.

    Parameters
    ----------
    declared
        All fields of the stream, in order.
    """

    def __init__(self, declared: Iterable[Declared]) -> None:
        self._numbers = itertools.count()
        self._sizes: dict[str, int] = {}
        self._fields = {TIME}
        fields = list(declared)
        for field in fields:
            self._fields.add(field.key)
            if field.shape is not None:
                for name, size in zip(field.dims, field.shape, strict=False):
                    if size is not None:
                        self._sizes.setdefault(name, size)

    def names(self, field: Declared, shape: Shape) -> tuple[str, ...]:
        """Return the names of one field's dimensions; time is not among them.

        Parameters
        ----------
        field
            The field.
        shape
            Shape of one value.

        Raises
        ------
        FieldError
            If the descriptor names another number of them.
        """
        if not field.dims or not shape:
            return tuple(f"dim_{next(self._numbers)}" for _ in shape)
        if len(field.dims) != len(shape):
            raise field.disagreement(f"has shape {shape}, which the dims {[*field.dims]} do not name")
        names: list[str] = []
        for plain, size in zip(field.dims, shape, strict=True):
            name = plain
            if name in names or name in self._fields or self._sizes.setdefault(name, size) != size:
                name = f"{field.key}_{plain}"
            while name in names:
                name += "_"
            names.append(name)
        return tuple(names)
