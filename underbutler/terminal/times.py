"""Moments and spans of time as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["span_text", "when_text"]


def when_text(seconds: float | None) -> str:
    """Return a moment (seconds since 1970 UTC) as date and time of day; nothing for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span_text(seconds: float) -> str:
    """Return a span of time in its largest unit: ``42 s``, ``3 min``, ``5 h``, ``2 d``."""
    seconds = max(0.0, seconds)
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
