"""What a keeper is told by its main process, and what it remembers of that."""

from __future__ import annotations

import json
import os
import select
import uuid
from dataclasses import dataclass
from typing import Any

from underbutler.records import ClaimEnd

__all__ = ["Cut", "Key", "Orders", "Said"]

Key = tuple[uuid.UUID, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What the main process says of the end of a message, by target and number of sending."""

    event: str
    pid: int | None
    reason: str
    died: bool


@dataclass(slots=True)
class Cut:
    """A child that is being ended, for the sake of which claim, and how that one ends."""

    claim: Key
    end: ClaimEnd
    reason: str
    since: float


@dataclass(slots=True)
class Orders:
    """Lines of JSON from the main process, read without waiting longer than asked."""

    descriptor: int
    ended: bool = False
    _rest: bytes = b""

    def read(self, timeout_s: float) -> list[dict[str, Any]]:
        """Return what has come until now; wait for it at most so long. `ended` tells that no more will come."""
        lines: list[bytes] = []
        while not self.ended and select.select([self.descriptor], [], [], 0 if lines else max(timeout_s, 0))[0]:
            chunk = os.read(self.descriptor, 65536)
            self.ended = not chunk
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            lines += whole
        return [json.loads(line) for line in lines if line]
