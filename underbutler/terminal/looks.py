"""What a look before found, and what a job may take, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from underbutler.wording import counted, span_text

if TYPE_CHECKING:
    from underbutler.pipe.findings import Finding, Look
    from underbutler.records import PastTargets

__all__ = ["estimate_text", "look_text"]


def look_text(look: Look) -> RenderableType:
    """Return what was looked at and what was found: what would fail first, then what is only said."""
    lines: list[RenderableType] = [Text(_looked_at(look))]
    if look.refusals:
        head = f"{counted(len(look.failing), 'target')} would fail:" if look.failing else "The job would fail:"
        lines += [Text(head, style="bold red"), *_listed(look.refusals)]
    if look.warnings:
        lines += [Text("To be known:", style="bold yellow"), *_listed(look.warnings)]
    if look.words:
        lines.append(Text(f"To run it as things are, add: {' '.join(look.words)}"))
    return Group(*lines)


def estimate_text(past: Sequence[PastTargets], targets: Sequence[int], processes: int) -> str:
    """Return what a job may take, by its past.

    Parameters
    ----------
    past
        What earlier targets took, one for each instrument.
    targets
        How many targets the job has, for each of them.
    processes
        How many worker processes take from its queue now.
    """
    sentences = [_of_instrument(one, number) for one, number in zip(past, targets, strict=True)]
    totals = [one.total_s(number) for one, number in zip(past, targets, strict=True)]
    known = [total for total in totals if total is not None]
    if known and len(known) == len(totals):
        total = sum(known)
        if processes:
            share = span_text(total / min(processes, max(1, sum(targets))))
            words = counted(processes, "process of a worker takes", "processes of workers take")
            sentences.append(f"{words} from the queue now: about {share} in all.")
        else:
            sentences.append(f"No worker takes from the queue now; one process needs about {span_text(total)} for all.")
    return " ".join(sentences)


def _looked_at(look: Look) -> str:
    if not look.looked_at:
        return "The task does not say what it needs: nothing was looked at."
    return f"Looked at {'; '.join(look.looked_at)}." + ("" if look.findings else " Nothing is missing.")


def _listed(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    for finding in findings:
        yield Text(f"  - {finding}")


def _of_instrument(past: PastTargets, number: int) -> str:
    of = f"{past.task} of {past.instrument}" if past.instrument else past.task
    if past.median_s is None or past.p90_s is None:
        return f"{counted(number, 'target')} of {of}: no estimate, for none was run before."
    text = (
        f"{counted(number, 'target')} of {of}: {_seconds(past.median_s)} each by the median of the latest {past.count} "
        f"(one in ten took over {_seconds(past.p90_s)}), {span_text(number * past.median_s)} of one process."
    )
    size = past.total_bytes(number)
    return f"{text} {_bytes(size)} will be delivered." if size else text


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
