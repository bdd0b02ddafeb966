"""Words that change with a number or a time, values told in short, texts that no terminal obeys: for every room."""

from __future__ import annotations

import reprlib
from datetime import UTC, datetime
from typing import Final

__all__ = ["counted", "shortened", "size_text", "span_text", "visible", "when_text"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 target``, ``3 targets``, ``2 entries are``.

    Parameters
    ----------
    number
        How many.
    one
        The words after 1.
    many
        The words after any other number; default `one` with an s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def shortened(value: object, most: int = 200) -> str:
    """Return a value as Python writes it, so far as somebody reads it.

    Parameters
    ----------
    value
        Anything, of whatever size.
    most
        How many characters of it are shown.
    """
    if isinstance(value, str | bytes):
        value = value[: most + 1]
    elif isinstance(value, int) and value.bit_length() > 4 * most:
        return f"a number of about {value.bit_length() * 3 // 10} digits"
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    text = short.repr(value) if isinstance(value, list | tuple | dict | set | frozenset) else repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def size_text(size: float) -> str:
    """Return a size in bytes as people read it: ``512 B``, ``1.5 KiB``, ``2.25 GiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.2f} GiB"


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


def visible(text: str) -> str:
    """Return a text that no terminal obeys: each control character is one that can be seen, ``␛`` for escape.

    Ends of lines and tabs stay. Those of C0 have their pictures in Unicode; those of C1, and what turns the direction
    of writing, become ``�``.
    """
    return text.translate(_PICTURES)


_PICTURES: Final[dict[int, int]] = {
    **dict.fromkeys(range(128, 160), 65533),
    **dict.fromkeys((*range(8234, 8239), *range(8294, 8298), 8206, 8207, 8232, 8233), 65533),
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
}
