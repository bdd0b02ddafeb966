"""The front of the records: one database, and who does what with it, role by role."""

from __future__ import annotations

from sqlalchemy import Engine, select

from underbutler.sql import database_now, read

from .access.audit import Audit
from .access.credentials import Credentials
from .access.request_keys import RequestKeys
from .datasets.deliveries import Deliveries
from .datasets.intents import Intents
from .datasets.uploads import Uploads
from .housekeeping.lifetimes import Lifetimes
from .housekeeping.quarantine import Quarantine
from .housekeeping.sweep import Sweep
from .reading.announced import AnnouncedObjects
from .reading.estimates import Estimates
from .reading.events import Events
from .reading.failures import Failures
from .reading.jobs import Reading
from .reading.listing import Listing
from .reading.measures import Measuring
from .reading.overview import Overviews
from .reading.queue_place import QueuePlaces
from .schedule.entries import Schedules
from .schedule.firings import Firings
from .service.beats import Beats
from .service.breakers import Breakers
from .service.tokens import Tokens
from .service.workers import Workers
from .tables.jobs import Job
from .targets.cancellation import Cancellation
from .targets.claims import Claims
from .targets.leases import Leases
from .targets.outbox import Outbox
from .targets.pending import Pending
from .targets.submissions import Submissions
from .targets.waiting import Waiting
from .writing.recorder import NoRecorder, Recorder

__all__ = ["JobStore"]


class JobStore:
    """Jobs, targets, claims, intents, products and notices in one SQL database, and the service around them.

    What can be done is divided by who does it, into attributes. Every change of a target is guarded by its claim
    number and its state. Times are the database's clock. The store holds nothing but the engine: make it after a fork,
    share it between threads. Everything here raises `RecordsUnavailableError` when the database is away.

    Parameters
    ----------
    engine
        What `underbutler.sql.open_engine` returned, for a database that `underbutler.migrations.upgrade` prepared.
    recorder
        Who writes what becomes of jobs into the catalogue, in the same transactions; nobody, if it is None.

    Attributes
    ----------
    submissions, pending
        Jobs are recorded; or kept as what was asked, until they are begun.
    outbox
        Messages and notices are sent.
    claims, waiting
        Workers take targets, and bring them to an end; or leave them for later.
    leases
        Keepers and sweepers renew claims, and end those of the dead.
    cancellation
        People abort jobs and targets.
    intents, deliveries, uploads
        What targets write into the Butler and the annex.
    read, listing, events, overview, measures, estimates, failures, announced, places
        What there is: jobs one by one and in pages, what happened to them, the service in words, the service in
        numbers, what a job to come may take, what failed last, which objects should be in the annex, and where targets
        stand in their queues. They change no job.
    sweep, lifetimes, quarantine
        What is left over: by targets, of jobs, and what nobody can run.
    schedules, firings
        The timetable, and what it has fired.
    workers, beats, breakers, tokens
        The service around the jobs.
    credentials, audit, request_keys
        Who may ask over HTTP, what was done, and which requests are the same.
    """

    def __init__(self, engine: Engine, recorder: Recorder | None = None) -> None:
        recorder = recorder or NoRecorder()
        self._engine = engine
        self.submissions = Submissions(engine, recorder)
        self.pending = Pending(engine)
        self.outbox = Outbox(engine)
        self.claims = Claims(engine, recorder)
        self.waiting = Waiting(engine, recorder)
        self.leases = Leases(engine, recorder)
        self.cancellation = Cancellation(engine, recorder)
        self.intents = Intents(engine)
        self.deliveries = Deliveries(engine)
        self.uploads = Uploads(engine)
        self.read = Reading(engine)
        self.listing = Listing(engine)
        self.events = Events(engine)
        self.overview = Overviews(engine)
        self.measures = Measuring(engine)
        self.estimates = Estimates(engine)
        self.failures = Failures(engine)
        self.announced = AnnouncedObjects(engine)
        self.places = QueuePlaces(engine)
        self.sweep = Sweep(engine)
        self.lifetimes = Lifetimes(engine, recorder)
        self.quarantine = Quarantine(engine)
        self.schedules = Schedules(engine)
        self.firings = Firings(engine)
        self.workers = Workers(engine)
        self.beats = Beats(engine)
        self.breakers = Breakers(engine)
        self.tokens = Tokens(engine)
        self.credentials = Credentials(engine)
        self.audit = Audit(engine)
        self.request_keys = RequestKeys(engine)

    def ping(self) -> None:
        """Ask whether the records are there and have their tables.

        Raises
        ------
        RecordsUnavailableError
            If not.
        """
        with read(self._engine) as connection:
            connection.execute(select(Job.id).limit(1))

    def now(self) -> float:
        """Return the database's clock, seconds since 1970 UTC."""
        with read(self._engine) as connection:
            return float(connection.execute(select(database_now())).scalar_one())
