"""Regular expressions of strangers: matched in a time that grows with the text, whatever the expression is (RE2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from .errors import UsageError

__all__ = ["ExpressionError", "finder", "found_in"]

LONGEST: Final = 1000
"""Characters of an expression."""

LARGEST: Final = 1000
"""Instructions of its program: as many steps for each character of a text, at the worst."""


class ExpressionError(UsageError, ValueError):
    """A regular expression cannot be read."""


@lru_cache(maxsize=256)
def finder(pattern: str) -> Callable[[str], bool]:
    r"""Return the function that tells whether an expression finds something in a text.

    Parameters
    ----------
    pattern
        In the words that Python's `re` and RE2 have in common: back references and looking around are unknown, ``\d``,
        ``\w``, ``\s`` and ``\b`` mean ASCII characters, and ``$`` is the very end of a text.

    Raises
    ------
    ExpressionError
        If it is none, or too large.
    """
    import re2

    if len(pattern) > LONGEST:
        raise ExpressionError(f"it has {len(pattern)} characters, and {LONGEST} are the most")
    options = re2.Options()
    options.log_errors = False
    # Python's name of the end of a text; RE2 knows it as \z.
    renamed = re.sub(r"\\.", lambda escape: r"\z" if escape[0] == r"\Z" else escape[0], pattern, flags=re.DOTALL)
    try:
        compiled = re2.compile(_encoded(renamed), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ExpressionError(said) from error
    if compiled.programsize > LARGEST:
        raise ExpressionError("it counts too many repetitions")
    search = compiled.search
    return lambda text: search(_encoded(text)) is not None


def found_in(pattern: str | None, text: object) -> bool | None:
    """Tell whether an expression finds something: SQLite's ``text REGEXP pattern``, null where one of them is."""
    if pattern is None or text is None:
        return None
    return finder(pattern)(str(text))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
