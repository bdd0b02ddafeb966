"""What failures have in common: one short name for all reasons that differ only in numbers, names and places."""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["fingerprint_of", "normalised"]

LENGTH: Final = 12
READ_CHARACTERS: Final = 8 * 1024
"""How much of a text counts: a reason is told at its begin, and a message's raw bytes may stand behind it."""

_WORD: Final = r"[\w.+@%~-]"
_VARYING: Final = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"(?<![^\W_])[A-Za-z][\w+.-]{1,15}://[^\s'\"]+", "<path>"),
        (r"(?<!\w)(['\"`])(?:(?!\1).){0,512}?\1(?!\w)", "<quoted>"),
        (r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>"),
        (rf"(?<!{_WORD})(?<!/){_WORD}*(?:/{_WORD}+)+/?", "<path>"),
        (r"(?i)\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{8,})\b", "<hex>"),
        (r"[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?", "<n>"),
    )
)


def fingerprint_of(error_type: str, text: str) -> str:
    """Return the fingerprint of a reason: 12 hexadecimal digits.

    Reasons of one kind that differ only in numbers, UUIDs, hexadecimal digits, paths and quoted values have one
    fingerprint, and so has a reason that is told several times over.

    Parameters
    ----------
    error_type
        Class of what was raised, or the kind of what went wrong.
    text
        Why, for people.
    """
    return hashlib.sha256(f"{error_type}\n{normalised(text)}".encode("utf-8", "replace")).hexdigest()[:LENGTH]


def normalised(text: str) -> str:
    """Return a reason without what varies from case to case, each of its sentences and lines once."""
    lines = re.split(r"\n|; ", text[:READ_CHARACTERS])
    return "\n".join(dict.fromkeys(filter(None, (" ".join(_plain(line).split()) for line in lines))))


def _plain(line: str) -> str:
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line
