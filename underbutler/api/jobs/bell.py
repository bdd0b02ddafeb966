"""Tells who waits that something has happened, without asking the records for each of them.

On PostgreSQL the records themselves tell (``LISTEN``). A SQLite file has a counter of its commits in shared memory: one
look at it serves everybody who waits. Asking the records again and again is what is left while PostgreSQL is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool

from underbutler.errors import RecordsUnavailableError
from underbutler.sql import parse_url
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from underbutler.records import EventRow, JobStore

__all__ = ["Bell", "Subscription"]

log = get_logger(__name__)

LOOK_S: Final = 0.05
"""Time between two looks at the counter of a SQLite file, in seconds."""
EVENTS_S: Final = 0.25
"""On PostgreSQL: time between two questions for events while somebody listens to them, in seconds."""
FALLBACK_S: Final = 1.0
"""The same for jobs that are waited for, while PostgreSQL does not tell, in seconds."""
CHANNEL: Final = "underbutler_job"
"""What triggers of the records notify."""
BATCH: Final = 500
LONGEST_QUEUE: Final = 20_000
"""A listener that is so many events behind has to come again: it gets them from the records then."""


class Subscription:
    """Events for one listener, in their order."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[EventRow] = asyncio.Queue()
        self.behind = False

    def put(self, event: EventRow) -> None:
        """Add an event; a listener that does not keep up gets no more."""
        if self._events.qsize() >= LONGEST_QUEUE:
            self.behind = True
        if not self.behind:
            self._events.put_nowait(event)

    async def next(self, timeout_s: float) -> EventRow | None:
        """Return the next event; None if there is none for so long."""
        try:
            return await asyncio.wait_for(self._events.get(), timeout_s)
        except TimeoutError:
            return None


class Bell:
    """Wakes who waits for a job, and hands events to who listens.

    Parameters
    ----------
    jobs
        The records.
    url
        Where they are.
    """

    def __init__(self, jobs: JobStore, url: str) -> None:
        self._jobs = jobs
        self._url = url
        self._waiting: defaultdict[uuid.UUID, set[asyncio.Event]] = defaultdict(set)
        self._listening: set[Subscription] = set()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._cursor: str | None = None

    async def __aenter__(self) -> Bell:
        """Begin to look."""
        if parse_url(self._url).drivername == "sqlite":
            loops: list[Callable[[], Any]] = [self._watch_file]
        else:
            loops = [self._listen_to_postgresql, self._ask_for_events]
        self._tasks = [asyncio.create_task(loop()) for loop in loops]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.contextmanager
    def waiting(self, job: uuid.UUID) -> Any:
        """Give an event that is set when the phase of a job may have changed; look at the job after this began."""
        rung = asyncio.Event()
        self._waiting[job].add(rung)
        self._wanted.set()
        try:
            yield rung
        finally:
            self._waiting[job].discard(rung)
            if not self._waiting[job]:
                del self._waiting[job]
            self._settle()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[Subscription, str]]:
        """Give a subscription, and the cursor after which it hands on every event."""
        if self._cursor is None:
            self._cursor = await run_in_threadpool(self._jobs.events.newest)
        subscription = Subscription()
        self._listening.add(subscription)
        self._wanted.set()
        try:
            yield subscription, self._cursor
        finally:
            self._listening.discard(subscription)
            self._settle()

    def _settle(self) -> None:
        if not self._waiting and not self._listening:
            self._wanted.clear()
            self._cursor = None

    def _ring(self, job: uuid.UUID) -> None:
        for rung in self._waiting.get(job, ()):
            rung.set()

    def _ring_all(self) -> None:
        for job in list(self._waiting):
            self._ring(job)

    async def _hand_on(self) -> None:
        """Read what has happened since, once for everybody."""
        if self._cursor is None:
            self._cursor = await run_in_threadpool(self._jobs.events.newest)
            self._ring_all()  # what happened before the cursor was known
        while True:
            events = await run_in_threadpool(self._jobs.events.after, self._cursor, BATCH)
            for event in events:
                self._cursor = event.cursor
                if event.kind == "job":
                    self._ring(event.job_id)
                for subscription in self._listening:
                    subscription.put(event)
            if len(events) < BATCH:
                return

    async def _watch_file(self) -> None:
        path = str(parse_url(self._url).database)
        while True:
            await self._wanted.wait()
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            with contextlib.closing(connection):
                seen: int | None = None
                while self._wanted.is_set():
                    with contextlib.suppress(sqlite3.OperationalError, RecordsUnavailableError):
                        counter = connection.execute("PRAGMA data_version").fetchone()[0]
                        if counter != seen:
                            await self._hand_on()
                            seen = counter
                    await asyncio.sleep(LOOK_S)

    async def _ask_for_events(self) -> None:
        while True:
            await self._wanted.wait()
            if self._listening:
                with contextlib.suppress(RecordsUnavailableError):
                    await self._hand_on()
            await asyncio.sleep(EVENTS_S)

    async def _listen_to_postgresql(self) -> None:
        import psycopg

        address = parse_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(address, autocommit=True, connect_timeout=5) as link:
                    await link.execute(f"LISTEN {CHANNEL}")
                    self._ring_all()  # what happened while nobody listened
                    async for notice in link.notifies():
                        self._ring(uuid.UUID(notice.payload))
            except (psycopg.Error, OSError) as error:
                log.warning("records_do_not_tell", reason=str(error))
            self._ring_all()
            await asyncio.sleep(FALLBACK_S)
