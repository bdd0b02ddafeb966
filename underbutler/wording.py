"""Words that change with a number, values that are told in short, texts that no terminal obeys: for every room."""

from __future__ import annotations

import reprlib
from typing import Final

__all__ = ["counted", "shortened", "visible"]


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
