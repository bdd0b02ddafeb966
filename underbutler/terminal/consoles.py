"""Where is written: answers to stdout, everything else to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from underbutler.wording import visible

__all__ = ["PlainConsole", "stderr_console", "stdout_console"]

FILE_WIDTH = 200
"""Columns of an answer that goes to a file or a pipe: wide enough that no table is cut."""


class PlainConsole(Console):
    """A console on which texts are texts: brackets are no markup, colons no emoji, control characters are seen.

    What is to be styled is a `Text` or has a ``style``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text, with its control characters as pictures: measured as they are shown."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, also what was a `Text` already."""
        for segment in super().render(renderable, options):
            if segment.control is None and not segment.text.isprintable():
                yield Segment(visible(segment.text), segment.style)
            else:
                yield segment


def stdout_console() -> Console:
    """Return a console on stdout."""
    return PlainConsole(width=None if sys.stdout.isatty() else FILE_WIDTH)


def stderr_console() -> Console:
    """Return a console on stderr."""
    return PlainConsole(stderr=True)
