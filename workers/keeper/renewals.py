"""When a keeper was last heard, and when it last renewed: in memory that the main process and its children share."""

from __future__ import annotations

import mmap
import struct
import time
from typing import Final

__all__ = ["Renewals", "current", "set_current", "unrenewed_s"]

PATIENCE_S: Final = 3.0
"""Under a short lease, so long at least is waited for a renewal."""
STARTING_S: Final = 20.0
"""A keeper that was just started is waited for so much longer."""

_FORM: Final = struct.Struct("dd")


class Renewals:
    """Two moments of the machine's monotonic clock. Make it before the fork: the children see what is noted after.

    A lease that nobody renews is over while its target runs, and then another process runs it too: so who has no
    keeper that renews takes nothing new.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _FORM.size)
        self.started()

    def started(self) -> None:
        """Note that a keeper was started now."""
        later = time.monotonic() + STARTING_S
        self._write(later, later)

    def note(self, seen: float, renewed: float | None) -> None:
        """Note when a keeper was there, and when it last renewed; None: it has not yet."""
        self._write(seen, self._read()[1] if renewed is None else renewed)

    @property
    def silent_s(self) -> float:
        """For how long the keeper was not heard, in seconds."""
        return max(0.0, time.monotonic() - self._read()[0])

    @property
    def unrenewed_s(self) -> float:
        """For how long nothing was renewed, in seconds."""
        return max(0.0, time.monotonic() - self._read()[1])

    def _read(self) -> tuple[float, float]:
        seen, renewed = _FORM.unpack_from(self._memory)
        return seen, renewed

    def _write(self, seen: float, renewed: float) -> None:
        _FORM.pack_into(self._memory, 0, seen, renewed)


_current: list[Renewals] = []


def current() -> Renewals | None:
    """Return those of this worker, in its main process and in its children; None where no worker runs."""
    return _current[0] if _current else None


def set_current(renewals: Renewals | None) -> None:
    """Say which keeper's they are."""
    _current[:] = [] if renewals is None else [renewals]


def unrenewed_s(lease_s: float) -> float | None:
    """Return for how long nothing was renewed, if that is more than half a lease; else None."""
    renewals = current()
    if renewals is None or renewals.unrenewed_s <= max(lease_s / 2, PATIENCE_S):
        return None
    return renewals.unrenewed_s
