"""How far a list of targets is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress"]

T = TypeVar("T")


class Progress:
    """Counts targets that have ended, and tells it.

    Parameters
    ----------
    tell
        Called with the numbers of targets ended and of all: once before the first begins, then at each end; None logs
        the ends.
    log
        Where they are logged.
    total
        Number of all targets.
    """

    def __init__(self, tell: Callable[[int, int], None] | None, log: Any, total: int) -> None:
        self._tell, self._log, self._total, self._done = tell, log, total, 0
        if tell is not None:
            tell(0, total)

    def count(self) -> None:
        """Count one more."""
        self._done += 1
        if self._tell is not None:
            self._tell(self._done, self._total)
        else:
            self._log.info("%d of %d targets ended", self._done, self._total)

    def counted(self, result: T) -> T:
        """Count one more, and return its result."""
        self.count()
        return result
