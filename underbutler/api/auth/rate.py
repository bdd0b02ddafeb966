"""How often one user may ask."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

from .refusals import TooManyError

__all__ = ["Rate"]

BURST_S: Final = 10.0
REMEMBERED: Final = 4096


class Rate:
    """Lets each user ask so many times a second, over ten seconds.

    Parameters
    ----------
    per_second
        How many.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._free_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, user: str) -> None:
        """Count a request.

        Raises
        ------
        TooManyError
            If there were too many.
        """
        now = time.monotonic()
        with self._lock:
            free_at = max(now, self._free_at.get(user, now)) + 1.0 / self._per_second
            if free_at - now > BURST_S:
                raise TooManyError(
                    f"More than {self._per_second:g} requests a second. Wait, and ask less often: WAIT and /v1/events "
                    "tell what changes without asking.",
                    retry_after_s=1,
                )
            self._free_at[user] = free_at
            self._free_at.move_to_end(user)
            while len(self._free_at) > REMEMBERED:
                self._free_at.popitem(last=False)
