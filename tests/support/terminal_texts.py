"""What a terminal shows, as text."""

from __future__ import annotations

import io
from typing import Any

from underbutler.terminal.consoles import PlainConsole


def shown(renderable: Any, width: int = 80) -> str:
    """Return what a terminal of this width shows."""
    console = PlainConsole(file=io.StringIO(), width=width, force_terminal=False)
    console.print(renderable)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()
