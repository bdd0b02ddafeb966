"""Ranges of integers, as data IDs have them."""

from __future__ import annotations

from dataclasses import dataclass

from underbutler.errors import UsageError

__all__ = ["Range"]


@dataclass(frozen=True, slots=True)
class Range:
    """The integers from `begin` to `end`, both included, in steps of `step`: ``begin..end:step``.

    Raises
    ------
    UsageError
        If it descends, or if the step is not positive.
    """

    begin: int
    end: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            raise UsageError(f"The range {self} has the step {self.step}; give a positive one.")
        if self.end < self.begin:
            raise UsageError(f"The range {self} descends; write {self.end}..{self.begin}.")

    def __str__(self) -> str:
        return f"{self.begin}..{self.end}" + (f":{self.step}" if self.step != 1 else "")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.begin <= value <= self.end and (value - self.begin) % self.step == 0
