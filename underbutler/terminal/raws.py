"""Raw frames in a terminal: a table of them, and all that is known of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from underbutler.butlers.raws.listing import RawRow

__all__ = ["raw_lines", "raws_table"]

_RIGHT = {"exposure", "detector", "seconds"}


def raws_table(rows: Iterable[RawRow]) -> Table:
    """Return a table of raw frames."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    headings = ("instrument", "exposure", "detector", "begin (UTC)", "seconds", "type", "filter", "target", "file")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _RIGHT else "left")
    for row in rows:
        cells = (row.instrument, str(row.exposure), str(row.detector), row.begin, f"{row.seconds:g}")
        words = (row.observation_type, row.physical_filter, row.target or "", row.obs_id)
        table.add_row(*(Text(cell) for cell in (*cells, *words)))
    return table


def raw_lines(answer: Mapping[str, Any]) -> list[str]:
    """Return what is known of a raw frame, line by line."""
    taken = f"{answer['observation_type']}, filter {answer['physical_filter']}, {answer['seconds']:g} s"
    lines = [
        f"exposure={answer['exposure']} detector={answer['detector']} instrument={answer['instrument']!r}",
        f"  {taken}, begun {answer['begin']} UTC, observing day {answer['day_obs']}",
        f"  file {answer['obs_id']}, kept at {answer['uri']}",
        f"  images: {', '.join(answer['images'])}",
    ]
    lines += [f"  note: {note}" for note in answer["notes"]]
    lines += [f"  amplifier {_amplifier(one)}" for one in answer["amplifiers"]]
    lines += [f"  missing: {fault}" for fault in answer["faults"]]
    return lines


def _amplifier(one: Mapping[str, Any]) -> str:
    name = f"{one['name']}: " if one["name"] else ""
    return (
        f"{name}light {one['data']} at {one['place']}, overscan {one['overscan'] or 'none'}, gain {one['gain']:g} "
        f"e-/ADU, read noise {one['read_noise']:g} e-, saturation {one['saturation']:g} ADU"
    )
