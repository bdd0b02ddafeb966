"""The one table of the drills: what was broken, and what that did to us and to stock Celery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.drills.facts import Facts
    from tests.support.drills.rival import StockFacts

__all__ = ["FULL", "PROPERTY", "SMALL", "Row", "Scale", "Table", "as_text"]

PROPERTY = "drill"
"""Name under which a row travels with a test's report, also between processes of pytest-xdist."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    order
        Place in the table.
    drill, broken
        What the drill is called; what was killed or broken.
    who
        ``ours``, ``stock``, or another's name.
    targets
        How many were accepted.
    lost
        Of these, how many were in no end state when the wait was over, or whose object or notice was missing.
    doubled
        Visible effects that were there more than once.
    held
        Targets and messages that are held for a person.
    seconds
        From the kill, or from the repair of what was away, to `until`; None where nothing is to recover.
    until
        What the seconds run to.
    told
        What there is to say instead.
    """

    order: float
    drill: str
    broken: str
    who: str
    targets: int
    lost: int
    doubled: int
    held: int
    seconds: float | None = None
    until: str = ""
    told: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return asdict(self)


HEAD = ("drill", "killed or broken", "", "targets", "lost", "doubled", "held", "seconds", "until")
NUMBERS = range(3, 8)


def as_text(rows: Iterable[Row]) -> str:
    """Return the table as text; a drill's name stands once, above stock's line."""
    lines: list[Sequence[str]] = [HEAD]
    before = ("", "")
    for row in sorted(rows, key=lambda row: (row.order, row.who)):
        names = ("", "") if (row.drill, row.broken) == before else (row.drill, row.broken)
        numbers = [str(number) for number in (row.targets, row.lost, row.doubled, row.held)]
        seconds, until = ("", "") if row.seconds is None else (f"{row.seconds:.1f}", row.until)
        lines.append((*names, row.who, *numbers, seconds, row.told or until))
        before = (row.drill, row.broken)
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in NUMBERS else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [*lines[:1], ["-" * width for width in widths], *lines[1:]]
    )


@dataclass(frozen=True)
class Scale:
    """How large the drills are."""

    full: bool
    kills: int
    targets: int
    away_s: float
    repeats: int = 5

    @property
    def words(self) -> str:
        """What the table says of it."""
        return "full size" if self.full else "small: the same kinds, fewer and shorter"


FULL = Scale(full=True, kills=12, targets=6000, away_s=60)
SMALL = Scale(full=False, kills=3, targets=600, away_s=8)


class Table:
    """Takes the rows of one drill, to travel with its test's report."""

    def __init__(self, properties: list[tuple[str, Any]], order: int) -> None:
        self._properties = properties
        self._order = order

    def _add(self, drill: str, broken: str, who: str, **values: Any) -> None:
        row = Row(order=self._order, drill=drill, broken=broken, who=who, **values)
        self._properties.append((PROPERTY, row.as_json()))

    def ours(
        self,
        drill: str,
        broken: str,
        facts: Facts,
        *,
        seconds: float | None = None,
        until: str = "",
        told: str = "",
        parked: int = 0,
    ) -> None:
        """Add our row; `parked` messages are held beside the held targets."""
        numbers = {"targets": facts.targets, "lost": facts.lost, "doubled": facts.doubled}
        held = len(facts.held) + parked
        self._add(drill, broken, "ours", **numbers, held=held, seconds=seconds, until=until, told=told)

    def stock(
        self,
        drill: str,
        broken: str,
        facts: StockFacts,
        *,
        seconds: float | None = None,
        until: str = "",
        told: str = "",
    ) -> None:
        """Add stock's row, below ours."""
        numbers = {"targets": facts.targets, "lost": facts.lost, "doubled": facts.doubled}
        self._add(drill, broken, "stock", **numbers, held=0, seconds=seconds, until=until, told=told)

    def beats(
        self, who: str, broken: str, *, due: int, missed: int, doubled: int, seconds: float, told: str = ""
    ) -> None:
        """Add the row of two beats: how many slots there were, and the longest wait between two firings."""
        until = "longest gap" + (f"; {told}" if told else "")
        numbers = {"targets": due, "lost": missed, "doubled": doubled, "held": 0}
        self._add("two beats, a slot each second", broken, who, **numbers, seconds=seconds, told=until)
