"""Where is written: answers to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["answers", "sayings"]

FILE_WIDTH = 200
"""Columns of an answer that goes to a file or a pipe: wide enough that no table is cut."""


def answers() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def sayings() -> Console:
    """Return a console on stderr."""
    return Console(stderr=True)
