"""Instants and durations as UWS writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from underbutler.errors import UsageError

__all__ = ["duration_of", "instant_text", "seconds_of", "wait_of"]

LATEST: float = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


def instant_text(seconds: float | None) -> str:
    """Return an instant as ISO 8601 in UTC, ``2026-12-01T12:00:00.000Z``; empty for None."""
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str, name: str) -> float | None:
    """Return an instant in seconds since 1970 UTC; one without a zone is UTC, and an empty one None.

    Raises
    ------
    UsageError
        If it is none.
    """
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < LATEST:
        raise UsageError(f"{name}: {text[:60]!r} is not an instant. Write 2026-12-02T00:00:00Z.", field=name)
    return seconds


def duration_of(text: str) -> float | None:
    """Return an execution duration in seconds; 0 is unlimited, and None here.

    Raises
    ------
    UsageError
        If it is none.
    """
    seconds = _number(text)
    if not 0 <= seconds <= 10 * 366 * 86400:
        raise UsageError(
            f"EXECUTIONDURATION: {text[:60]!r} is not a number of seconds. Write 3600; 0 is as long as it likes.",
            field="EXECUTIONDURATION",
        )
    return seconds or None


def wait_of(text: str | None) -> float:
    """Return for how long to wait, in seconds; -1: as long as the server allows.

    Raises
    ------
    UsageError
        If it is none.
    """
    if text is None:
        return 0.0
    seconds = _number(text)
    if not (seconds >= 0 or seconds == -1):
        raise UsageError(f"WAIT: {text[:60]!r} is not a number of seconds. Write 30, or -1 for the most.", field="WAIT")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
