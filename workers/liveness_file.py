"""A file that a process touches while it does its work, for whoever looks after it.

A health check that asks a worker through the broker (``celery inspect ping``) starts a Python of its own, seconds of
CPU each time. The age of a file costs nothing, and says more: the loop itself touches it, so that it grows old when the
loop hangs or has lost its broker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from celery import bootsteps

from underbutler.settings import load_settings
from underbutler.telemetry.logs import get_logger

__all__ = ["LivenessFile", "touch"]

log = get_logger(__name__)

EVERY_S: Final = 2.0


def touch(file: Path | None) -> None:
    """Say that this process does its work; without a file to nobody. A file that cannot be touched is said, no more."""
    if file is None:
        return
    try:
        file.touch()
    except OSError as error:
        log.warning("alive_file_not_touched", file=str(file), error=error.strerror)


class LivenessFile(bootsteps.StartStopStep):
    """Touches the file from the consumer's own loop, from when it consumes until its connection is lost."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._file = load_settings().alive_file
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """Touch it now and then, when the loop runs."""
        if self._file is not None:
            self._entry = consumer.timer.call_repeatedly(EVERY_S, touch, (self._file,))

    def stop(self, _consumer: Any) -> None:
        """Touch it no more."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
