"""Identities of jobs and targets: how they are made, shown to people, and recognised again."""

from __future__ import annotations

import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

__all__ = ["SHORT", "SHORTEST_END", "Identities", "is_named", "new_id", "short_id"]

SHORT: Final = 8
"""So many characters of an identity are shown to people."""
SHORTEST_END: Final = 4
"""So many characters name what ends with them; fewer name only what begins with them."""


class Identities:
    """Makes identities that ascend: UUID 7 of RFC 9562, section 5.7, with a counter (section 6.2, method 1).

    They are 48 bits of milliseconds since 1970 UTC, 12 bits of a counter, 62 random bits. When the counter is full, or
    the clock goes back, the time of the last one goes on: they ascend all the same.

    Parameters
    ----------
    clock_ns
        Nanoseconds since 1970 UTC.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._lock = threading.Lock()
        self._last = 0

    def make(self) -> uuid.UUID:
        """Return the next identity."""
        now_ms = self._clock_ns() // 1_000_000
        with self._lock:
            # Time and counter are one number: a counter that is full carries into the time.
            self._last = max(self._last + 1, now_ms << 12)
            milliseconds, counter = divmod(self._last, 1 << 12)
        # From the system, not from a generator in memory: a forked process would go on with the same numbers.
        random = secrets.randbits(62)
        return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | random)

    def forget_lock(self) -> None:
        """Let a forked child go on whose parent held the lock."""
        self._lock = threading.Lock()


_IDENTITIES: Final = Identities()
os.register_at_fork(after_in_child=_IDENTITIES.forget_lock)


def new_id() -> uuid.UUID:
    """Return a new identity of a job or a target; those of one process ascend."""
    return _IDENTITIES.make()


def short_id(identity: uuid.UUID | str) -> str:
    """Return what people are shown of an identity: its end, because those of one minute all begin alike."""
    return str(identity)[-SHORT:]


def is_named(identity: uuid.UUID | str, name: str) -> bool:
    """Tell whether a text is an identity, its beginning, or an end that is long enough."""
    whole, name = str(identity), name.strip().lower()
    return bool(name) and (whole.startswith(name) or (len(name) >= SHORTEST_END and whole.endswith(name)))
