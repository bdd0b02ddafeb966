"""Beat's schedule: entries that send a message, and entries that beat does by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery import beat
from celery.schedules import schedule

from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.schedules.leader import Leader
from underbutler.schedules.tick import Ticker
from underbutler.settings import load_settings
from underbutler.sweeper import Sweeper
from underbutler.telemetry.logs import get_logger
from workers.liveness_file import touch

from .chores import Chore, Stopped

__all__ = ["Scheduler"]

log = get_logger(__name__)

SWEEP = "underbutler.sweep"
"""Task name of the housekeeping entry: no message has it."""

FIRE = "underbutler.fire"
"""Task name of the entry that looks what of the schedule is due: no message has it either."""

PATIENCE_S = 5.0
"""A chore that runs when beat is ended gets so long to come to an end."""

ALIVE_EVERY_S = 5.0
"""Beat ticks at least so often, in seconds."""


class Scheduler(beat.Scheduler):
    """Celery's scheduler in memory, with chores.

    An entry whose task is the name of a chore is done here, in a thread and without a message; every other entry is
    sent, as always. The chores are the sweep, done by every beat, because any number may sweep at once, and a look at
    what of the schedule is due, done by the one beat that leads.
    """

    producer: Any = None  # messages go through the app's pool: a broker that is away stops neither schedule nor chores

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        self.chores: dict[str, Chore] = {}
        self._ticker: Ticker | None = None
        super().__init__(app, *args, **kwargs)
        self._alive_file = load_settings().alive_file

    def setup_schedule(self) -> None:
        """Take the app's entries, and add the housekeeping."""
        super().setup_schedule()
        settings = load_settings()
        context = ServiceContext(settings)
        sweeper = Sweeper(context, make_app(settings, "sweeper"))
        self.add_chore(SWEEP, Chore("sweeper", _until_done(sweeper)), every_s=settings.sweep_interval_s)
        self._ticker = ticker = Ticker(settings, context.jobs, Leader(context.engine))
        self.add_chore(FIRE, Chore("schedules", lambda _: ticker.tick()), every_s=settings.schedule_tick_s)

    def install_default_entries(self, data: Mapping[str, Any]) -> None:
        """Install none: Celery's own would send a message that is not a target."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due, and say that beat lives; return after how many seconds to look again."""
        touch(self._alive_file)
        return min(float(super().tick(*args, **kwargs)), ALIVE_EVERY_S)

    def add_chore(self, task: str, chore: Chore, *, every_s: float) -> None:
        """Let a chore be done now and then, from now on.

        Parameters
        ----------
        task
            Task name of its entry.
        chore
            What is done.
        every_s
            How often, in seconds.
        """
        self.chores[task] = chore
        interval = timedelta(seconds=every_s)
        entry = self.add(name=chore.name, task=task, schedule=schedule(interval, app=self.app))
        entry.last_run_at = entry.default_now() - interval

    def apply_entry(self, entry: beat.ScheduleEntry, producer: Any = None) -> None:
        """Do a chore, or send a message."""
        chore = self.chores.get(str(entry.task))
        if chore is None:
            super().apply_entry(entry, producer=producer)
        elif not chore.begin():
            log.debug("chore_left_out", chore=chore.name)

    def close(self) -> None:
        """End the chores, then what Celery has open. Celery closes twice: a chore that hangs is waited for once."""
        while self.chores:
            _, chore = self.chores.popitem()
            if not chore.stop(PATIENCE_S):
                log.warning("chore_cut", chore=chore.name)
        if self._ticker is not None:
            ticker, self._ticker = self._ticker, None
            ticker.stop(PATIENCE_S)
        super().close()

    @property
    def info(self) -> str:
        """What beat's banner says of it."""
        return f"    . chores -> {SWEEP}, {FIRE}"


def _until_done(sweeper: Sweeper) -> Callable[[Stopped], None]:
    """Return the sweep as a chore: again at once while more waits than one sweep takes, and it gets on."""

    def work(stopped: Stopped) -> None:
        while not stopped():
            report = sweeper.sweep(stopped=stopped)
            if report is None or not report.more or report.errors or not report.did_something:
                return

    return work
