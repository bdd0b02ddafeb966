"""What science code prints: lines of stdout and stderr become log lines of its target, as long as one runs.

Only in the children of a prefork pool, one target at a time each. What is written below Python (a C library's own
output, a program that the science starts) goes to the worker's output as it is.
"""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import Any, Final, TextIO

from underbutler.telemetry.logs import running_here

__all__ = ["LoggedStream", "catch_prints", "finish_lines"]

LONGEST: Final = 8192
"""A line that is longer is logged in pieces, in characters."""


class LoggedStream(io.TextIOBase):
    """A text stream whose lines are logged while a target runs, and go on to where they went before otherwise.

    Of a progress bar that overwrites itself only what it says in the end is logged.

    Parameters
    ----------
    beside
        The stream that it stands for.
    name
        Name of the logger.
    level
        Level of its lines.
    """

    def __init__(self, beside: TextIO, name: str, level: int) -> None:
        self._beside = beside
        self._log = logging.getLogger(name)
        self._level = level
        self._here = threading.local()

    def write(self, text: str) -> int:
        """Take text; each line that it ends is logged."""
        if getattr(self._here, "logging", False) or not running_here():
            return self._beside.write(text)
        *lines, rest = (getattr(self._here, "rest", "") + text).split("\n")
        if len(rest) > LONGEST:
            lines, rest = [*lines, rest], ""
        self._here.rest = rest.rpartition("\r")[2] if rest.count("\r") > 1 else rest
        for line in lines:
            self._say(line.rstrip("\r").rpartition("\r")[2])
        return len(text)

    def finish(self) -> None:
        """Log what stands there without an end."""
        rest, self._here.rest = getattr(self._here, "rest", ""), ""
        self._say(rest.rstrip("\r").rpartition("\r")[2])

    def _say(self, line: str) -> None:
        if not line.strip():
            return
        self._here.logging = True  # what a handler prints about its own trouble is not logged
        try:
            for start in range(0, len(line), LONGEST):
                self._log.log(self._level, "%s", line[start : start + LONGEST])
        finally:
            self._here.logging = False

    def flush(self) -> None:
        """Flush the stream beside."""
        self._beside.flush()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream beside."""
        return self._beside.fileno()

    def __getattr__(self, name: str) -> Any:
        """Return what else a program asks of the stream beside: ``reconfigure``, ``name``."""
        return getattr(self._beside, name)

    @property
    def buffer(self) -> Any:
        """The bytes below the stream beside: not logged."""
        return self._beside.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream beside."""
        return self._beside.encoding


def catch_prints() -> None:
    """Have this process' prints logged from now on."""
    if not isinstance(sys.stdout, LoggedStream):
        sys.stdout = LoggedStream(sys.stdout, "stdout", logging.INFO)
        sys.stderr = LoggedStream(sys.stderr, "stderr", logging.WARNING)


def finish_lines() -> None:
    """Log what a target has printed without an end of line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LoggedStream):
            stream.finish()
