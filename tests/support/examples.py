"""How many examples a property takes: a number of its own, and fewer where the profile is short."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> int:
    """Return how many examples a test takes that wants `count` of them. `make quick` has a short profile."""
    return min(count, settings().max_examples)
