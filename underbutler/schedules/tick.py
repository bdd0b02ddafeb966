"""One tick of a beat: who leads, what the file says, what is due, whether anybody does it. Quick, and no Butler."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from underbutler.errors import RecordsUnavailableError, UsageError
from underbutler.records import JobStore
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .entries import CHORE, SUBMISSION
from .files import ScheduleFile, read_schedules
from .firing import bring, fire_due
from .firing_processes import Lane
from .leader import Leader

__all__ = ["FOLLOWERS_WAIT_S", "LOOK_EVERY_S", "Ticker"]

log = get_logger(__name__)

SLOW_S: Final = 10.0
"""What waits longer, in seconds, gets another process."""
FOLLOWERS_WAIT_S: Final = 20.0
"""What waits longer, in seconds, is taken up also by beats that do not lead: the leader may hang and hold its lock."""
LOOK_EVERY_S: Final = 60.0
"""So often is a repository asked for its latest exposure, in seconds."""

TELL_EVERY_S: Final = 10.0
"""So often does a beat tell the records that it is there, in seconds."""
FORGET_AFTER_S: Final = 7 * 86400.0
"""A beat that was killed is remembered for so long, in seconds."""

REMEMBERED: Final = "schedule file"


class Ticker:
    """Ticks. Everything it knows is in the records: it may be killed at any moment.

    One that does not lead does the same with a clock that is late: it finds nothing, unless the leader is stuck.

    Parameters
    ----------
    settings
        Where the file is.
    jobs
        The records.
    leader
        Who fires.
    lanes
        Who does what was fired; by default processes of their own.
    clock
        Returns now, in seconds since 1970 UTC; default the database's clock.
    """

    def __init__(
        self,
        settings: Settings,
        jobs: JobStore,
        leader: Leader,
        *,
        lanes: tuple[Lane, ...] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self.leads = False
        self._settings = settings
        self._jobs = jobs
        self._leader = leader
        self._lanes = lanes or (Lane(SUBMISSION), Lane(CHORE))
        self._clock = clock or jobs.now
        self._seen: tuple[int, int, int] | None = None
        self._records_away = False
        self._started_at: float | None = None
        self._told: tuple[float, tuple[bool, tuple[str, ...]]] | None = None
        self._faults: tuple[str, ...] = ()

    def tick(self) -> int | None:
        """Tick once; return how many firings were recorded, None when the records are away."""
        try:
            fired = self._tick()
        except RecordsUnavailableError:
            if not self._records_away:
                log.info("schedule_waits", beat=self.name)  # what is wrong with the records the sweep says
            self._records_away = True
            return None
        if self._records_away:
            log.info("schedule_goes_on", beat=self.name)
            self._records_away = False
        return fired

    def stop(self, patience_s: float) -> None:
        """End what was started, and let another lead."""
        for lane in self._lanes:
            lane.stop(patience_s)
        self._leader.release()
        if self._told is not None:
            with suppress(RecordsUnavailableError):
                self._jobs.beats.mark_ended(self.name)

    def _tick(self) -> int:
        leads = self._leader.hold()
        if leads != self.leads:
            log.info("schedule_leads" if leads else "schedule_follows", beat=self.name)
            self.leads = leads
        now = self._clock()
        if leads:
            self._read_file(now)
        self._tell(now)
        fired = fire_due(self._jobs, now if leads else now - FOLLOWERS_WAIT_S, fired_by=self.name)
        for lane in self._lanes:
            lane.tend(*self._waiting(lane.name))
        return fired

    def _tell(self, now: float) -> None:
        """Tell the records that this beat is there, now and then, and at once what has changed."""
        if self._started_at is None:
            self._started_at = now
            self._jobs.beats.forget(FORGET_AFTER_S)
        state = (self.leads, self._faults)
        if self._told is None or abs(now - self._told[0]) >= TELL_EVERY_S or self._told[1] != state:
            self._jobs.beats.mark_alive(self.name, leads=self.leads, since=self._started_at, faults=self._faults)
            self._told = (now, state)

    def _waiting(self, lane: str) -> tuple[int, int]:
        waiting = self._jobs.firings.count_waiting(lane, 0.0 if self.leads else FOLLOWERS_WAIT_S)
        long = self._jobs.firings.count_waiting(lane, SLOW_S) if waiting and self.leads else 0
        if self.leads and not waiting and lane == SUBMISSION:
            waiting = int(self._jobs.schedules.waits_for_a_look(LOOK_EVERY_S))
        return waiting, long

    def _read_file(self, now: float) -> None:
        """Bring the file in when it is another than at the last look; without one the records stay as they are."""
        path = self._settings.schedules_file
        try:
            status = path.stat()
        except OSError:
            self._seen, self._faults = None, ()
            return
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen == self._seen:
            return
        try:
            file = read_schedules(path)
        except UsageError as error:
            log.error("schedule_file_wrong", error=str(error))
            self._seen, self._faults = seen, (str(error),)
            return
        self._bring(file, now)
        self._seen = seen

    def _bring(self, file: ScheduleFile, now: float) -> None:
        self._faults = tuple(problem.text(file.path) for problem in file.problems)
        for fault in self._faults:
            log.error("schedule_entry_wrong", error=fault)
        changed = bring(self._jobs, file, who=self._settings.user, now=now)
        log.info("schedule_read", path=str(file.path), entries=len(file.entries), changed=len(changed))
        self._jobs.sweep.remember(REMEMBERED, {"path": str(file.path), "digest": file.digest, "by": self.name})
