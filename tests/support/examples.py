"""How many examples a property takes: a number of its own in a deep search, and fewer where the profile is short."""

from __future__ import annotations

from hypothesis import settings

DEEP = 100
"""Examples of the profile ``deep``."""


def examples(count: int) -> int:
    """Return how many examples a test takes that wants `count` of them in a deep search."""
    return max(1, round(count * settings().max_examples / DEEP))
