"""How long a worker waits that its broker has thrown out, before it connects again."""

from __future__ import annotations

from underbutler.retry import BROKER_OF_A_WORKER

__all__ = ["ThrownOut"]

SETTLED_S = 60.0
"""Who stayed connected for so long begins anew, in seconds."""


class ThrownOut:
    """Counts how often in a row: the first time there is no wait, then each is longer."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._wait_s = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long to wait now, in seconds.

        Parameters
        ----------
        now
            A clock that only goes forward, in seconds.
        """
        settled = self._last is None or now - self._last > SETTLED_S + self._wait_s
        if settled:
            self._wait_s = 0.0
        else:
            self._wait_s = BROKER_OF_A_WORKER.after(self._wait_s) if self._wait_s else BROKER_OF_A_WORKER.first_s
        self._last = now
        return self._wait_s
