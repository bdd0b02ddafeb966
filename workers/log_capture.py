"""The log of one claim: what a target said while it ran, kept with the claim."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from underbutler.logs import formatter

__all__ = ["ClaimLog", "captured"]

LIMIT_CHARACTERS = 64 * 1024


class ClaimLog(logging.Handler):
    """Keeps the last lines that one thread logged, bounded in size."""

    def __init__(self, limit: int = LIMIT_CHARACTERS) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(formatter())
        self._limit = limit
        self._size = 0
        self._lines: deque[str] = deque()
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, forgetting the oldest beyond the limit."""
        if record.thread != self._thread:
            return
        line = self.format(record)[: self._limit]
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > self._limit:
            self._size -= len(self._lines.popleft()) + 1

    @property
    def text(self) -> str:
        """The kept lines."""
        return "\n".join(self._lines)


@contextmanager
def captured() -> Iterator[ClaimLog]:
    """Keep what this thread logs inside the block."""
    handler = ClaimLog()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
