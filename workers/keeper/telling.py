"""What a keeper tells its main process, on its standard output: which child it ends and why, and that it lives."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import termios
from array import array
from collections.abc import Mapping
from typing import Any, Final

from underbutler.telemetry import logs

__all__ = ["tell"]

UNREAD_BYTES: Final = 4096
"""What a main process has not read is not added to, beyond this, by signs of life: what matters must find room."""

log = logs.get_logger(__name__)


def tell(what: Mapping[str, Any]) -> None:
    """Tell the main process; one that is gone needs not to know, and one that is stopped not every second."""
    try:
        if "seen" in what and _unread(sys.stdout.fileno()) > UNREAD_BYTES:
            return
        os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")
    except OSError as error:
        log.info("nobody_listens", error=str(error))


def _unread(pipe: int) -> int:
    """Return how many bytes of a pipe were not read yet."""
    number = array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, number)
    return number[0]
