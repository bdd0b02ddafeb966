"""What is wrong in the annex, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from rich.table import Table
from rich.text import Text

from underbutler.model.identity import short_id

if TYPE_CHECKING:
    import uuid

__all__ = ["FindingLike", "findings_table"]


class FindingLike(Protocol):
    """What a table of findings reads: `underbutler.sweeper.annex_check.Finding` has it."""

    @property
    def kind(self) -> str:
        """What is wrong."""

    @property
    def job(self) -> uuid.UUID:
        """Whose it is."""

    @property
    def what(self) -> str:
        """Task and dataset type."""

    @property
    def url(self) -> str:
        """The object."""

    @property
    def detail(self) -> str:
        """What was found."""

    @property
    def repaired(self) -> bool:
        """Whether it is in order now."""

    @property
    def told(self) -> str:
        """What was done."""


def findings_table(findings: Iterable[FindingLike]) -> Table:
    """Return a table of findings: what is wrong with which object of which job, and what was done."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("finding", no_wrap=True)
    table.add_column("job", no_wrap=True)
    table.add_column("object", overflow="fold", ratio=1)
    for finding in findings:
        style = "green" if finding.repaired else "red"
        lines = Text(finding.what)
        for text in (finding.url, finding.detail):
            if text:
                lines.append(f"\n{text}")
        if finding.told:
            lines.append(f"\n{finding.told}", style=style)
        table.add_row(Text(str(finding.kind), style=style), short_id(finding.job), lines)
    return table
