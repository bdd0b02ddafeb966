"""Tracebacks as the author of a task reads them: the task's own frames first, those of the framework folded."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Final

__all__ = ["folded", "folded_traceback", "own_line", "shows_own_frames"]

_ROOMS: Final = sorted(
    path.stem for path in Path(__file__).parents[1].iterdir() if path.is_dir() or path.suffix == ".py"
)
_WORKERS: Final = ("celery", "intake", "keeper", "process", "shutdown", "stray_prints", "target", "transport")
_FRAMEWORK: Final = re.compile(
    rf"(^|/)underbutler/({'|'.join(map(re.escape, _ROOMS))})(/|\.py$)"
    rf"|(^|/)workers/({'|'.join(_WORKERS)})(/|\.py$)"
    r"|/site-packages/(billiard|celery|click|kombu|sqlalchemy|structlog|tenacity)/"
    r"|/lsst/(daf/butler|pex/config|pipe/base|resources|utils)/"
    r"|/python3[^/]*/(concurrent|contextlib|functools|importlib|multiprocessing|runpy)(/|\.py$)"
    r"|^<frozen |/bin/underbutler$"
)
"""Files whose frames surround a task, wherever they are installed: a log may come from another machine."""

_BEGIN: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'  File "(?P<path>[^"]+)", line \d+')


def folded_traceback(error: BaseException) -> str:
    """Return the traceback of an error, folded."""
    return folded("".join(traceback.format_exception(error)).rstrip())


def shows_own_frames(error: BaseException) -> bool:
    """Tell whether an error passed through code that is not the framework's."""
    return any(not _is_framework(frame.filename) for frame in traceback.extract_tb(error.__traceback__))


def folded(text: str, hint: str = "") -> str:
    """Return a text with the framework's frames of each traceback in it replaced by their number.

    Parameters
    ----------
    text
        As `traceback.format_exception` writes it, with anything before and after.
    hint
        How to see all, e.g. ``--full shows them``.

    Returns
    -------
    folded
        The same text if no frame in it is a task's: the framework's are then all that there is.
    """
    lines = text.splitlines()
    blocks: list[str | _Block] = []
    number = 0
    while number < len(lines):
        if lines[number] != _BEGIN:
            blocks.append(lines[number])
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end].startswith("  "):
            end += 1
        blocks.append(_Block(lines[number + 1 : end]))
        number = end
    if not any(isinstance(block, _Block) and block.own for block in blocks):
        return text
    return "\n".join(block if isinstance(block, str) else block.text(hint) for block in blocks)


class _Block:
    """The frames of one traceback: those of the task, and how many others."""

    def __init__(self, lines: list[str]) -> None:
        self.own: list[str] = []
        self.n_folded = 0
        keeps = True
        for line in lines:
            frame = _FRAME.match(line)
            if frame is not None:
                keeps = not _is_framework(frame["path"])
                self.n_folded += not keeps
            if keeps:
                self.own.append(line)

    def text(self, hint: str) -> str:
        """Return the lines that are shown."""
        if not self.n_folded:
            return "\n".join([_BEGIN, *self.own])
        frames = f"{self.n_folded} frame{'s' if self.n_folded > 1 else ''} of the framework folded"
        told = f"{frames}; {hint}" if hint else frames
        return "\n".join([f"Traceback ({told}):", *self.own])


def _is_framework(path: str) -> bool:
    return _FRAMEWORK.search(path.replace("\\", "/")) is not None


def own_line(text: str) -> str:
    """Return the line of a task at which the last traceback of a text was raised: ``file.py:17, in run: a / b``.

    Parameters
    ----------
    text
        A log, or what `traceback.format_exception` writes.

    Returns
    -------
    line
        Empty if no frame is a task's.
    """
    lines = text.splitlines()
    found = ""
    for number, line in enumerate(lines):
        frame = _PLACE.match(line)
        if frame is None or _is_framework(frame["path"]):
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        code = following.strip() if following.startswith("    ") else ""
        found = f"{frame['path']}:{frame['line']}, in {frame['function']}" + (f": {code}" if code else "")
    return found


_PLACE: Final = re.compile(r'  File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')
