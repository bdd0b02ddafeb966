"""How long what failed waits before it is tried again, in one table. May import nothing of ours.

What is tried again as a whole call goes through `Waits.retrying`. A loop that something else may end at once, or that
asks something else each time, stays a loop and takes its waits from here. Targets and their deliveries wait in the
records: settings say how long (``UNDERBUTLER_RETRY_BASE_S``, ``UNDERBUTLER_RETRY_CAP_S``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState, Retrying
    from tenacity.stop import stop_base

__all__ = [
    "ANNEX_OF_A_TARGET",
    "BROKER_OF_A_WORKER",
    "BROKER_OF_NOTICES",
    "FIRING",
    "RECORDS_OF_A_SUBMISSION",
    "RECORDS_OF_A_TARGET",
    "RECORDS_OF_QUARANTINE",
    "RUN_BEING_REGISTERED",
    "Waits",
]


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits between tries.

    Parameters
    ----------
    first_s
        The first, in seconds.
    longest_s
        What none is longer than, in seconds.
    factor
        By which each is longer than the one before.
    """

    first_s: float
    longest_s: float
    factor: float = 2.0

    def after(self, wait_s: float) -> float:
        """Return the wait that follows another, in seconds."""
        return min(self.factor * wait_s, self.longest_s)

    def retrying(
        self,
        *failures: type[Exception],
        stop: stop_base | None = None,
        before_wait: Callable[[RetryCallState], None] | None = None,
    ) -> Retrying:
        """Return what calls a function again after one of some failures; any other one, and a time limit, ends it.

        Parameters
        ----------
        failures
            After which it is called again.
        stop
            When the last of these failures is raised as it is; default never.
        before_wait
            Called with what failed, before each wait.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_never, wait_exponential

        return Retrying(
            sleep=time.sleep,
            stop=stop or stop_never,
            wait=wait_exponential(multiplier=self.first_s, max=self.longest_s, exp_base=self.factor),
            retry=retry_if_exception_type(failures),
            before_sleep=before_wait,
            reraise=True,
        )


RECORDS_OF_A_TARGET: Final = Waits(0.2, 5.0)
"""A child asks the records: until its hard time limit."""
RECORDS_OF_A_SUBMISSION: Final = Waits(0.5, 0.5)
"""A submission asks whether its job was recorded: for ``db_wait_s``."""
RECORDS_OF_QUARANTINE: Final = Waits(0.5, 15.0)
"""A worker notes a message that it cannot use: until it ends."""
ANNEX_OF_A_TARGET: Final = Waits(1.0, 3.0, factor=3.0)
"""A child delivers one object: with few tries, then the target waits in the records."""
BROKER_OF_A_WORKER: Final = Waits(1.0, 30.0)
"""A worker whose broker let it in and threw it out again, before it connects once more: for ever."""
BROKER_OF_NOTICES: Final = Waits(1.0, 1.0)
"""A reader of notices looks for its broker: for a minute."""
RUN_BEING_REGISTERED: Final = Waits(0.1, 0.1)
"""Another process registers the same RUN: for two seconds."""
FIRING: Final = Waits(5.0, 600.0)
"""A firing whose submission met a service that was away: half its age, within these bounds, for a day."""
