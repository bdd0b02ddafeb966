"""The log of one claim: what a target said while it ran, kept with the claim, and on disk in case its process dies."""

from __future__ import annotations

import logging
import threading
import traceback
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from underbutler.telemetry import logs
from underbutler.telemetry.claim_log_file import BlackBox

__all__ = ["ClaimLog", "captured"]

LIMIT_CHARACTERS = 64 * 1024
LEFT_OUT = "… {} earlier lines are left out"

_open: set[ClaimLog] = set()


class ClaimLog(logging.Handler):
    """Keeps the last lines that one target logged, bounded in size.

    They are those of its own thread; and those of every thread, as long as it is the only target in its process.
    """

    def __init__(self, limit: int = LIMIT_CHARACTERS) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logs.claim_formatter())
        self._limit = limit
        self._size = 0
        self._forgotten = 0
        self._lines: deque[str] = deque()
        self._thread = threading.get_ident()
        self._box: BlackBox | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record, forgetting the oldest beyond the limit."""
        if record.thread != self._thread and (len(_open) > 1 or record.name.startswith("opentelemetry")):
            return
        line = self.format(record)[: self._limit]
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > self._limit:
            self._size -= len(self._lines.popleft()) + 1
            self._forgotten += 1
        if self._box is not None:
            self._box.write(line, lambda: self.text)

    def say(self, level: str, logger: str, text: str) -> None:
        """Keep something that the worker's own log does not need to hear: it is said there in other words."""
        number = logging.getLevelNamesMapping()[level.upper()]
        self.handle(logging.LogRecord(logger, number, "", 0, text, None, None))

    def trace(self, error: BaseException) -> None:
        """Keep an error with its traceback."""
        self.say("ERROR", "underbutler", "".join(traceback.format_exception(error)).rstrip())

    def survive(self, target: uuid.UUID, claim_no: int) -> None:
        """Keep it on disk too from now on, where the keeper finds it should this process die."""
        self.acquire()
        try:
            self._box = BlackBox.of_this_worker(target, claim_no)
            if self._box is not None and self._lines:
                self._box.write(self.text, lambda: self.text)
        finally:
            self.release()

    def close(self) -> None:
        """End: the process lives, so nothing has to be found."""
        box, self._box = self._box, None
        if box is not None:
            box.discard()
        super().close()

    @property
    def text(self) -> str:
        """The kept lines."""
        head = [LEFT_OUT.format(self._forgotten)] if self._forgotten else []
        return "\n".join([*head, *self._lines])


@contextmanager
def captured() -> Iterator[ClaimLog]:
    """Keep what this target logs inside the block."""
    handler = ClaimLog()
    root = logging.getLogger()
    root.addHandler(handler)
    _open.add(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        _open.discard(handler)
        handler.close()
