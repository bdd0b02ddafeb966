"""Registered consumers of notices: how many notices wait for each, and how soon the oldest would be dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from underbutler.annex.backlogs import ConsumerQueue

from .broker import BrokerAnswer
from .findings import Finding, Gravity, PartState, State

__all__ = ["consumers_state"]

NAME: Final = "consumers"
LONG: Final = 0.5
"""From this share of its limit on a queue is long."""


def consumers_state(told: BrokerAnswer | None) -> PartState:
    """Return which consumers are registered, and how much waits for each."""
    if told is None:
        return PartState(name=NAME, state=State.UNKNOWN, told="the broker does not tell")
    if told.unlisted:
        finding = Finding(
            about=NAME,
            what="RabbitMQ does not tell which consumers of notices are registered.",
            why=told.unlisted,
            gravity=Gravity.NOTED,
        )
        return PartState(name=NAME, state=State.UNKNOWN, told="the broker does not tell", findings=(finding,))
    waiting = ", ".join(f"{one.name} {one.ready} of {one.limit}" for one in told.consumers)
    return PartState(
        name=NAME,
        state=State.ANSWERS,
        told=f"notices waiting: {waiting}" if waiting else "none is registered",
        findings=tuple(finding for one in told.consumers for finding in _findings(one)),
        facts={
            one.name: {"ready": one.ready, "limit": one.limit, "parked": one.parked, "readers": one.readers}
            for one in told.consumers
        },
    )


def _findings(one: ConsumerQueue) -> Iterator[Finding]:
    if one.ready >= LONG * one.limit:
        nobody = " and nobody reads them" if one.readers == 0 else ""
        yield Finding(
            about=NAME,
            what=f"{one.ready} notices wait for the consumer {one.name!r}{nobody}; at {one.limit} the oldest are "
            "dropped.",
            why="It does not run, or is slower than the notices come.",
            cure="Start it, or unregister it. What was dropped is read again from the records: `underbutler notices "
            "JOB`.",
            count=one.ready,
        )
    if one.parked:
        yield Finding(
            about=NAME,
            what=f"{one.parked} notices were set aside that the handler of the consumer {one.name!r} could not take.",
            cure="Mend it, and call its replay_parked().",
            gravity=Gravity.NOTED,
            count=one.parked,
        )
