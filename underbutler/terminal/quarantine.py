"""What is in quarantine, in a terminal: groups by reason, each one, one of them whole."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .moments import span_text, when_text
from .tables import claims_table

if TYPE_CHECKING:
    from underbutler.records import ClaimRow, JobRow, ParkedRow, QuarantineGroup, TargetRow

__all__ = ["groups_view", "held_view", "parked_view", "quarantine_table", "raw_text"]

LOG_LINES: Final = 20
"""Last lines of a claim's log that are shown."""
RAW_BYTES: Final = 2048
"""Bytes of a parked message that are shown."""
_ROW_BYTES: Final = 16


def groups_view(groups: Sequence[QuarantineGroup], now: float) -> RenderableType:
    """Return a block for each group: how many, of what, when, why."""
    blocks: list[RenderableType] = []
    for group in groups:
        head = Text.assemble(
            (group.fingerprint or "(none)", "bold"),
            "  ",
            (group.kind, "red" if group.kind == "held" else "yellow"),
            f" {group.count}  {group.task or '(no task)'}  ",
            f"first {span_text(now - group.first_at)} ago, last {span_text(now - group.last_at)} ago  ",
            ("sample ", "dim"),
            str(group.sample)[:8],
        )
        blocks += [head, Padding(Text(f"{group.error_type}: {_first_lines(group.reason)}"), (0, 0, 1, 4))]
    return Group(*blocks)


def quarantine_table(targets: Iterable[TargetRow], messages: Iterable[ParkedRow]) -> Table:
    """Return a table of each held target and each parked message."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("id", "group", "what", "since"):
        table.add_column(heading, no_wrap=True)
    table.add_column("reason", overflow="fold")
    for target in targets:
        what = f"{target.task} {target.argsrepr}"
        reason = f"{target.error_type or 'Held'}: {_first_lines(target.error_text or '', 1)}"
        table.add_row(str(target.id)[:8], target.fingerprint or "", what, when_text(target.ended_at), reason)
    for message in messages:
        what = f"message, {message.task or 'no task'}" + (f" × {message.count}" if message.count > 1 else "")
        reason = f"{message.kind}: {_first_lines(message.reason, 1)}"
        table.add_row(str(message.id)[:8], message.fingerprint, what, when_text(message.last_at), reason)
    return table


def held_view(
    target: TargetRow, job: JobRow, claims: Sequence[ClaimRow], kwargs: object, replayed_as: uuid.UUID | None = None
) -> RenderableType:
    """Return everything about one held target."""
    facts = [
        ("target", str(target.id)),
        ("job", f"{target.job_id}  {job.phase}"),
        ("task", target.task),
        ("data ID", target.argsrepr or "(none)"),
        ("kwargs", json.dumps(kwargs, indent=2, ensure_ascii=False)),
        ("group", target.fingerprint or "(none)"),
        ("held", when_text(target.ended_at)),
        ("child died", f"{target.deaths} times"),
        ("worker died", f"{target.worker_deaths} times"),
        ("service away", f"{target.transient_retries} times"),
    ]
    if replayed_as is not None:
        facts.append(("replayed as", f"job {replayed_as}"))
    if target.discarded_at is not None:
        facts.append(("discarded", when_text(target.discarded_at)))
    parts: list[RenderableType] = [
        _facts(facts),
        Text(),
        Text(f"{target.error_type or 'Held'}: {target.error_text or ''}", style="red"),
    ]
    if claims:
        parts += [Text(), claims_table(claims)]
    for claim in claims:
        if claim.log:
            lines = claim.log.rstrip().splitlines()
            cut = f", last {LOG_LINES} of {len(lines)} lines" if len(lines) > LOG_LINES else ""
            parts += [Text(), Text(f"log of claim {claim.claim_no}{cut}", style="bold")]
            parts.append(Padding(Text("\n".join(lines[-LOG_LINES:])), (0, 0, 0, 2)))
    return Group(*parts)


def parked_view(message: ParkedRow, advice: str) -> RenderableType:
    """Return everything about one parked message, and what can be done about it."""
    headers = json.dumps(message.headers, indent=2, ensure_ascii=False, default=str)
    facts = [
        ("message", str(message.id)),
        ("kind", message.kind),
        ("task", message.task or "(none)"),
        ("queue", message.queue),
        ("group", message.fingerprint),
        ("came", f"{message.count} times" if message.count > 1 else "once"),
        ("first, last", f"{when_text(message.first_at)}, {when_text(message.last_at)}"),
        ("parked by", message.worker or "(unknown)"),
        ("headers", headers if message.headers is not None else "(none)"),
    ]
    if message.discarded_at is not None:
        facts.append(("discarded", when_text(message.discarded_at)))
    size = len(message.raw)
    cut = f", the first {RAW_BYTES}" if size > RAW_BYTES else ""
    return Group(
        _facts(facts),
        Text(),
        Text(message.reason, style="red"),
        Text(advice),
        Text(),
        Text(f"raw, {size} bytes{cut}", style="bold"),
        Padding(Text(raw_text(message.raw[:RAW_BYTES])), (0, 0, 0, 2)),
    )


def raw_text(raw: bytes) -> str:
    """Return bytes as text where they are printable UTF-8, else as a hexadecimal dump."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        if error.start < len(raw) - 3:  # not merely cut within a character
            return _hexadecimal(raw)
        text = raw[: error.start].decode()
    return text if all(character.isprintable() or character in "\n\t" for character in text) else _hexadecimal(raw)


def _hexadecimal(raw: bytes) -> str:
    lines = []
    for start in range(0, len(raw), _ROW_BYTES):
        row = raw[start : start + _ROW_BYTES]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:06x}  {row.hex(' '):<{3 * _ROW_BYTES - 1}}  {shown}")
    return "\n".join(lines)


def _facts(facts: Iterable[tuple[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(str(value)))
    return table


def _first_lines(text: str, number: int = 3) -> str:
    lines = text.strip().splitlines()
    return "\n".join(lines[:number]) + (" …" if len(lines) > number else "")
