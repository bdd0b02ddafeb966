"""Query parameters, read strictly: what is misspelt is refused, not passed over. May import catalog and errors."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from starlette.datastructures import QueryParams

from underbutler.errors import suggest

from .refusals import ParameterError

__all__ = ["OF_RUNS", "Parameters"]

OF_RUNS = frozenset({"partition_size"})
"""Parameters that every request about a run takes, whether it matters there or not."""


class Parameters:
    """The query parameters of one request.

    Parameters
    ----------
    given
        As they came.
    known
        Names that the request may have.

    Raises
    ------
    ParameterError
        If another is given.
    """

    def __init__(self, given: QueryParams, known: Collection[str]) -> None:
        self._given = given
        for name in given:
            if name not in known:
                raise ParameterError(
                    f"No parameter is called {name!r} here.{suggest(name, known)} "
                    f"Known: {', '.join(sorted(known)) or 'none'}.",
                    parameter=name,
                    cure=f"Leave {name} out.",
                )

    def text(self, name: str) -> str | None:
        """Return a text; None if it is not given."""
        return self._given.get(name)

    def number(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """Return an integer in a range."""
        given = self._given.get(name)
        if given is None:
            return default
        return self.integer(name, given, least, most)

    def size(self, name: str) -> int | str:
        """Return a positive integer, or ``auto``."""
        given = self._given.get(name, "auto")
        return given if given == "auto" else self.integer(name, given, 1)

    def yes(self, name: str, *, default: bool) -> bool:
        """Return whether it says ``yes``."""
        return self.one_of(name, ("yes", "no"), "yes" if default else "no") == "yes"

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        """Return one of some words."""
        given = self._given.get(name, default)
        if given not in words:
            raise self._wrong(name, given, " or ".join(words))
        return given

    def names(self, name: str) -> list[str] | None:
        """Return what is given once or more often; None if it is not; an empty list if all that is given is empty."""
        given = self._given.getlist(name)
        return [one for one in given if one] if given else None

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a mapping that is written as JSON."""
        given = self._given.get(name, "{}")
        try:
            value = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise self._wrong(name, given, f'a mapping in JSON, {{"task": "processCcd"}} ({error})') from error
        if not isinstance(value, dict):
            raise self._wrong(name, given, 'a mapping in JSON, {"task": "processCcd"}')
        return value

    @classmethod
    def integer(cls, name: str, given: str, least: int, most: int | None = None) -> int:
        """Return an integer in a range."""
        try:
            value = int(given)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            bounds = f"an integer from {least} on" if most is None else f"an integer from {least} to {most}"
            raise cls._wrong(name, given, bounds)
        return value

    @staticmethod
    def _wrong(name: str, given: str, wanted: str) -> ParameterError:
        cure = f"Write {name} as {wanted}."
        return ParameterError(f"{name}={given!r} is not understood. {cure}", parameter=name, cure=cure)
