"""What a sweep did, part by part: for people one line each, for programs JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PartReport", "SweepReport", "Tally"]

WIDTH = 12
"""Column in which the text of a part begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """What one part of a sweep did.

    Parameters
    ----------
    part
        Its name.
    counts
        What was done, in words, and how often.
    more
        Whether there is more than one sweep takes.
    notes
        Sentences for people: what waits, and for what.
    errors
        What went wrong; the part did the rest all the same, where it could.
    """

    part: str
    counts: Mapping[str, int] = field(default_factory=dict)
    more: bool = False
    notes: tuple[str, ...] = ()
    errors: tuple[Exception, ...] = ()

    @property
    def did_something(self) -> bool:
        """Whether anything was changed, or something went wrong."""
        return any(self.counts.values()) or bool(self.errors)

    @property
    def line(self) -> str:
        """One line for people."""
        did = ", ".join(f"{number} {words}" for words, number in self.counts.items() if number)
        said = [did or ("" if self.errors or self.notes else "nothing to do")]
        said += ["more is left for the next sweep"] if self.more else []
        said += self.notes
        said += [f"ERROR {error}" for error in self.errors]
        return f"{self.part:<{WIDTH}}{'; '.join(filter(None, said))}"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "part": self.part,
            "counts": dict(self.counts),
            "more": self.more,
            "notes": list(self.notes),
            "errors": [{"type": type(error).__name__, "text": str(error)} for error in self.errors],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did.

    Parameters
    ----------
    parts
        Its parts, in their order.
    seconds
        Wall clock that it took.
    """

    parts: tuple[PartReport, ...]
    seconds: float = 0.0

    def __getitem__(self, part: str) -> PartReport:
        """Return the report of one part."""
        return next(one for one in self.parts if one.part == part)

    @property
    def errors(self) -> tuple[Exception, ...]:
        """Everything that went wrong."""
        return tuple(error for part in self.parts for error in part.errors)

    @property
    def did_something(self) -> bool:
        """Whether anything was changed, or something went wrong."""
        return any(part.did_something for part in self.parts)

    @property
    def more(self) -> bool:
        """Whether another sweep has work at once."""
        return any(part.more for part in self.parts)

    @property
    def lines(self) -> list[str]:
        """One line per part, for people."""
        return [part.line for part in self.parts]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"seconds": self.seconds, "more": self.more, "parts": [part.to_json() for part in self.parts]}


class Tally:
    """What a part has done so far: it is reported even when the part then fails.

    Parameters
    ----------
    part
        Its name.
    """

    def __init__(self, part: str) -> None:
        self.part = part
        self.more = False
        self._counts: dict[str, int] = {}
        self._notes: list[str] = []
        self._errors: list[Exception] = []

    def add(self, words: str, number: int = 1) -> None:
        """Count something that was done; zero counts too, so that a report always has the same words."""
        self._counts[words] = self._counts.get(words, 0) + number

    def note(self, sentence: str) -> None:
        """Tell people something."""
        self._notes.append(sentence)

    def failed(self, error: Exception) -> None:
        """Keep what went wrong, each only once."""
        if str(error) not in map(str, self._errors):
            self._errors.append(error)

    @property
    def words(self) -> dict[str, int]:
        """What was counted, as names for a log."""
        return {words.replace(" ", "_"): number for words, number in self._counts.items() if number}

    def report(self) -> PartReport:
        """Return what was done."""
        return PartReport(
            part=self.part,
            counts=dict(self._counts),
            more=self.more,
            notes=tuple(self._notes),
            errors=tuple(self._errors),
        )
