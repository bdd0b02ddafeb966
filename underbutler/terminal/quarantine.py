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

from underbutler.model.identity import short_id
from underbutler.model.status import status_of
from underbutler.wording import span_text, when_text

from .claims import ClaimsView
from .reasons import told_once

if TYPE_CHECKING:
    from underbutler.records import ClaimRow, JobRow, ParkedRow, QuarantineGroup, TargetRow

__all__ = ["each_view", "groups_view", "held_view", "parked_view", "raw_text"]

LOG_LINES: Final = 20
"""Last lines of a claim's log that are shown."""
RAW_BYTES: Final = 2048
"""Bytes of a parked message that are shown, if they are text."""
DUMPED_BYTES: Final = 512
"""Bytes of a parked message that are shown, if they are not."""
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
            short_id(group.sample),
        )
        blocks += [head, Padding(Text(f"{group.error_type}: {told_once(group.reason)}"), (0, 0, 1, 4))]
    return Group(*blocks)


def each_view(targets: Iterable[TargetRow], messages: Iterable[ParkedRow]) -> RenderableType:
    """Return a block for each held target and each parked message: its id, what it is, since when, why."""
    blocks: list[RenderableType] = []
    for target in targets:
        reason = f"{target.error_type or 'Held'}: {told_once(target.error_text or '', lines=1)}"
        words = f"  held    {when_text(target.ended_at)}  {target.fingerprint or '(no group)'}  {target.task}  "
        blocks += _block(target.id, words, "red", target.argsrepr, reason)
    for message in messages:
        reason = f"{message.kind}: {told_once(message.reason, lines=1)}"
        times = f", {message.count} times" if message.count > 1 else ""
        words = f"  parked  {when_text(message.last_at)}  {message.fingerprint}  {message.task or '(no task)'}{times}"
        blocks += _block(message.id, words, "yellow", "", reason)
    return Group(*blocks)


def _block(id_: uuid.UUID, words: str, style: str, what: str, reason: str) -> list[RenderableType]:
    lines = [line for line in (what, reason) if line]
    return [
        Text.assemble((short_id(id_), "bold"), (words, style)),
        *(Padding(Text(line), (0, 0, 0, 4)) for line in lines),
    ]


def held_view(target: TargetRow, job: JobRow, claims: Sequence[ClaimRow], kwargs: object) -> RenderableType:
    """Return everything about one held target."""
    facts = [
        ("target", str(target.id)),
        ("job", f"{target.job_id}  {status_of(job.phase)}"),
        ("task", target.task),
        ("data ID", target.argsrepr or "(none)"),
        ("kwargs", json.dumps(kwargs, indent=2, ensure_ascii=False)),
        ("group", target.fingerprint or "(none)"),
        ("held", when_text(target.ended_at)),
        ("child died", f"{target.deaths} times"),
        ("worker died", f"{target.worker_deaths} times"),
        ("service away", f"{target.transient_retries} times"),
    ]
    if target.replayed_as is not None:
        facts.append(("replayed as", f"job {target.replayed_as}"))
    if target.discarded_at is not None:
        facts.append(("discarded", when_text(target.discarded_at)))
    parts: list[RenderableType] = [
        _facts(facts),
        Text(),
        Text(f"{target.error_type or 'Held'}: {target.error_text or ''}", style="red"),
    ]
    if claims:
        parts += [Text(), ClaimsView(claims)]
    for claim in claims:
        if claim.log:
            lines = claim.log.rstrip().splitlines()
            cut = f", last {LOG_LINES} of {len(lines)} lines" if len(lines) > LOG_LINES else ""
            parts += [Text(), Text(f"log of attempt {claim.claim_no}{cut}", style="bold")]
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
    shown, number = raw_text(message.raw)
    size = len(message.raw)
    cut = f", the first {number}" if size > number else ""
    return Group(
        _facts(facts),
        Text(),
        Text(message.reason, style="red"),
        Text(advice),
        Text(),
        Text(f"raw, {size} bytes{cut}", style="bold"),
        Padding(Text(shown), (0, 0, 0, 2)),
    )


def raw_text(raw: bytes) -> tuple[str, int]:
    """Return the begin of a message as text where it is printable UTF-8, else as a dump; and how many bytes that is."""
    begin = raw[:RAW_BYTES]
    try:
        text = begin.decode()
    except UnicodeDecodeError as error:
        if len(raw) == len(begin) or error.start < len(begin) - 3:  # not merely cut within a character
            return _hexadecimal(raw[:DUMPED_BYTES]), DUMPED_BYTES
        text = begin[: error.start].decode()
    if all(character.isprintable() or character in "\n\t" for character in text):
        return text, RAW_BYTES
    return _hexadecimal(raw[:DUMPED_BYTES]), DUMPED_BYTES


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
