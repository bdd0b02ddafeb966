"""Where the sweeper is tested: records, a real broker, targets in every state; and time travel."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from celery import Celery
from sqlalchemy import update

from tests.support.records.rows import claim_of, let_lease_expire, new_job
from underbutler.broker import connection, make_app, queue_depth
from underbutler.context import ServiceContext
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.model.message import HEADER
from underbutler.records import Claim, JobRow, JobStore, TargetRow
from underbutler.records.tables.jobs import Target
from underbutler.records.tables.service import SweepState
from underbutler.settings import Settings
from underbutler.sql import write
from underbutler.sweeper import Limits, SweepReport, sweep

AT_ONCE = Limits(confirm_s=0.0)
"""Limits under which a second look may follow the first at once."""


@dataclass
class Site:
    """Records and a broker, and a sweeper that has been sweeping all the time."""

    settings: Settings
    context: ServiceContext

    @cached_property
    def app(self) -> Celery:
        return make_app(self.settings, "sweeper")

    @property
    def jobs(self) -> JobStore:
        return self.context.jobs

    def sweep(self, *parts: str, limits: Limits = AT_ONCE, **options: Any) -> SweepReport:
        """Sweep once, all parts or some."""
        return sweep(self.context, self.app, parts=parts or None, limits=limits, **options)

    def submit(self, targets: int = 1, **fields: Any) -> tuple[JobRow, list[TargetRow]]:
        """Record a job whose messages nobody has sent."""
        row = self.jobs.submissions.create_job(new_job(targets, **fields))
        return row, self.jobs.read.targets(row.id)

    def claim(self, target: uuid.UUID, **fields: Any) -> Claim:
        """Claim a target as some worker whose message was the last one sent."""
        return claim_of(self.jobs, target, **({"send_no": self.jobs.read.target(target).send_no} | fields))

    def state(self, target: uuid.UUID) -> TargetState:
        return TargetState(self.jobs.read.target(target).state)

    def expire(self, target: uuid.UUID) -> None:
        """Travel to where the lease of a target has run out."""
        let_lease_expire(self.context.engine, target)

    def age_messages(self, seconds: float) -> None:
        """Travel to where every message was sent so much earlier."""
        with write(self.context.engine) as connection_:
            connection_.execute(update(Target).values(sent_at=Target.sent_at - seconds))

    def age_memory(self, seconds: float) -> None:
        """Travel to where everything that sweepers remember is so much older."""
        with write(self.context.engine) as connection_:
            connection_.execute(update(SweepState).values(at=SweepState.at - seconds))

    def messages(self, queue: str = "reduce") -> list[tuple[str, int]]:
        """Take all messages out of a queue: target and number of sending of each, in their order."""
        found = []
        with connection(self.settings) as link, link.channel() as channel:
            while (message := channel.basic_get(queue)) is not None:
                channel.basic_ack(message.delivery_tag)
                header = message.headers[HEADER]
                found.append((header["target"], header["send_no"]))
        return found

    def depth(self, queue: str = "reduce") -> int:
        """Return how many messages of a queue wait for a worker."""
        return queue_depth(self.app, self.settings, queue).ready


@contextmanager
def open_site(settings: Settings, **changes: Any) -> Iterator[Site]:
    """Open a site on empty records, in which somebody swept a moment ago."""
    settings = settings.model_copy(update={"outbox_grace_s": 0.0} | changes)
    upgrade(settings.records_url)
    with ServiceContext(settings) as context:
        site = Site(settings, context)
        site.sweep("leases")
        site.age_memory(settings.lease_s + 1)
        context.jobs.sweep.remember("swept", {})
        yield site


def names(targets: list[TargetRow]) -> list[str]:
    """Return the ids of targets as messages hold them."""
    return [str(target.id) for target in targets]
