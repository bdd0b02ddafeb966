"""Words that change with a number, and values that are told in short. May be used everywhere."""

from __future__ import annotations

import reprlib

__all__ = ["counted", "shortened"]


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
