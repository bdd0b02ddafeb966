"""Spans of time as people write them: ``10 min``, ``2 h``, ``90``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

__all__ = ["Offset", "Span", "parse_span"]

_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_WORDS: Final = re.compile(r"\s*(-?\d+)\s*(s|min|h|d)?\s*", re.ASCII)


def parse_span(value: Any) -> Any:
    """Return a span in whole seconds; what is not a text is left as it is.

    Raises
    ------
    ValueError
        If a text is not a span.
    """
    if not isinstance(value, str):
        return value
    found = _WORDS.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is not a span of time. Write 30 s, 10 min, 2 h or 1 d")
    return int(found[1]) * _UNITS[found[2] or "s"]


Span = Annotated[int, BeforeValidator(parse_span), Field(ge=1, le=366 * 86400)]
"""A span of at least a second, in seconds."""

Offset = Annotated[int, BeforeValidator(parse_span), Field(ge=-43200, le=43200)]
"""A span that may be negative, of half a day at most, in seconds."""
