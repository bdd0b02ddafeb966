"""Logs of claims in a terminal: what a try at a target said, below who tried it and how it ended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import click

from underbutler.model.identity import short_id
from underbutler.telemetry.tracebacks import folded
from underbutler.wording import visible, when_text

from .reasons import told_once

if TYPE_CHECKING:
    from underbutler.records import ClaimRow, TargetRow

__all__ = ["LEVELS", "LogLine", "attempt_text", "log_lines", "target_text"]

LEVELS: Final = {"trace": 5, "debug": 10, "verbose": 15, "info": 20, "warning": 30, "error": 40, "critical": 50}
"""Levels by name, Rubin's two among them."""

_HEAD: Final = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z) \[(?P<level>\w+) *\] (?:(?P<logger>[\w.<>-]+): )?(?P<text>.*)"
)
_COLOURS: Final = {"warning": "yellow", "error": "red", "critical": "red"}
_BAD: Final = {"failed", "died", "worker_died", "expired", "timed_out", "fenced_out"}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record of a log, perhaps of several lines of text.

    Parameters
    ----------
    time, level, logger
        As logged; empty for what is not a record: the stack that a crash left.
    text
        The rest, with the lines of a traceback.
    """

    time: str
    level: str
    logger: str
    text: str

    def folded(self) -> LogLine:
        """Return it with the framework's frames of its traceback folded."""
        return replace(self, text=folded(self.text, "--full shows them"))

    def reaches(self, level: str) -> bool:
        """Tell whether it is of a level or above; what is not a record always is."""
        return LEVELS.get(self.level, 50) >= LEVELS[level]


def log_lines(log: str, level: str = "trace") -> list[LogLine]:
    """Return the records of a claim's log that reach a level."""
    groups: list[tuple[str, str, str, list[str]]] = []
    for raw in map(visible, log.splitlines()):
        found = _HEAD.fullmatch(raw)
        if found is not None:
            groups.append((found["time"], found["level"], found["logger"] or "", [found["text"]]))
        elif not groups or raw.startswith("Fatal Python error"):
            groups.append(("", "", "", [raw]))
        else:
            groups[-1][3].append(raw)
    lines = [LogLine(time, name, logger, "\n".join(text)) for time, name, logger, text in groups]
    return [line for line in lines if line.reaches(level)]


def target_text(target: TargetRow, of: int) -> str:
    """Return the heading of a target: which of its job, its data ID, its state, and why it failed."""
    colour = {"failed": "red", "held": "red", "aborted": "yellow"}.get(target.state.value, "green")
    head = click.style(f"target {target.ordinal + 1} of {of}", bold=True)
    lines = [f"{head}  {short_id(target.id)}  {visible(target.argsrepr)}  {click.style(target.state.value, fg=colour)}"]
    if target.error_text:
        lines.append(click.style(visible(f"  {target.error_type}: {told_once(target.error_text)}"), fg="red"))
    return "\n".join(lines)


def attempt_text(claim: ClaimRow, of: Sequence[ClaimRow], log: str | None, level: str, *, in_full: bool = False) -> str:
    """Return an attempt: who, when, how it ended, and what it said; the others of its target in a line each.

    Parameters
    ----------
    claim, of
        The attempt, among all of its target.
    log
        What it said; None if nothing is kept.
    level
        Lines below it are left out.
    in_full
        Whether tracebacks keep the framework's frames.
    """
    lines = [_attempt_line(one, of, here=one is claim) for one in of]
    if log is None:
        lines.append(f"    {_no_log(claim)}")
        return "\n".join(lines)
    shown = log_lines(log, level)
    lines += [_styled(line if in_full else line.folded()) for line in shown]
    if not shown:
        lines.append(f"    nothing of level {level} or above; it said {len(log_lines(log))} lines in all")
    return "\n".join(lines)


def _attempt_line(claim: ClaimRow, of: Sequence[ClaimRow], *, here: bool) -> str:
    how = claim.end or "live"
    colour = "red" if how in _BAD else "green" if how in {"done", "no_work"} else "yellow"
    when = f"{when_text(claim.started_at)[5:-1]} – {when_text(claim.ended_at)[11:-1] if claim.ended_at else 'now'}"
    reason = f": {claim.reason}" if claim.reason and how != "failed" else ""  # why a target failed stands above
    text = f"{'→' if here and len(of) > 1 else ' '} attempt {claim.claim_no}  {when}  {claim.worker} pid {claim.pid}  "
    return visible(text) + click.style(how, fg=colour) + visible(reason)


def _no_log(claim: ClaimRow) -> str:
    if claim.ended_at is None:
        return "It runs; its log is kept when it ends. Wait for it with --follow."
    return "It left no log: nothing was said, or its whole machine went away."


def _styled(line: LogLine) -> str:
    if not line.time:
        return click.style(line.text, fg="red")
    colour = _COLOURS.get(line.level)
    first, _, rest = line.text.partition("\n")
    head = f"{line.time[11:23].rstrip('Z')} {line.level.upper():<8} {line.logger}: "
    below = f"\n{rest}" if rest else ""
    if colour:
        return click.style(f"{head}{first}{below}", fg=colour)
    return f"{click.style(head, dim=True)}{first}{below}"
