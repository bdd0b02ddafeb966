"""Words that change with a number. May be used everywhere."""

from __future__ import annotations

__all__ = ["counted"]


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
