"""Where is written: answers to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from rich.console import Console

__all__ = ["stderr_console", "stdout_console"]

FILE_WIDTH = 200
"""Columns of an answer that goes to a file or a pipe: wide enough that no table is cut."""


def stdout_console() -> Console:
    """Return a console on stdout."""
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def stderr_console() -> Console:
    """Return a console on stderr."""
    return Console(stderr=True)
