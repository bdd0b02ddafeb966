"""Reasons as people read them: what is told several times over stands there once."""

from __future__ import annotations

from underbutler.model.fingerprint import normalised

__all__ = ["told_once"]


def told_once(text: str, *, lines: int = 3) -> str:
    """Return a reason with lines that differ only in numbers, ids and names as one, and cut after some lines.

    Parameters
    ----------
    text
        The reason, of several claims perhaps.
    lines
        How many different lines are shown.
    """
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for line in text.strip().splitlines():
        kind = normalised(line)
        first.setdefault(kind, line.rstrip())
        counts[kind] = counts.get(kind, 0) + 1
    shown = [
        f"{line} (and {counts[kind] - 1} more like it)" if counts[kind] > 1 else line for kind, line in first.items()
    ]
    return "\n".join(shown[:lines]) + (" …" if len(shown) > lines else "")
