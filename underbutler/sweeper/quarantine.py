"""Quarantine: what is held or parked is found, explained, replayed, discarded."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from underbutler.errors import MessageError, UnknownNameError, UsageError
from underbutler.model.identity import short_id
from underbutler.model.message import HEADER, Envelope
from underbutler.records import TargetRow

if TYPE_CHECKING:
    from underbutler.records import JobStore, ParkedRow

__all__ = ["advice_on", "held_targets"]

_LIST: Final = "List them: `underbutler quarantine list --all`."


def held_targets(jobs: JobStore, names: Iterable[str] = (), *, group: str | None = None) -> list[TargetRow]:
    """Return held targets that can be replayed, job by job in their order, each once.

    Parameters
    ----------
    jobs
        The records.
    names
        Targets (ids or their first or last characters), fingerprints, or jobs.
    group
        A fingerprint: all targets that are held for this reason.

    Raises
    ------
    UsageError
        If something named is a message, was dealt with already, or has nothing that is held.
    """
    found: dict[uuid.UUID, TargetRow] = {}
    if group is not None:
        found |= {target.id: target for target in _of_group(jobs, group)}
    for name in names:
        found |= {target.id: target for target in _named(jobs, name)}
    return sorted(found.values(), key=lambda target: (str(target.job_id), target.ordinal))


def advice_on(jobs: JobStore, message: ParkedRow) -> str:
    """Say what can be done about a parked message: it cannot be replayed, because nothing in it can be trusted."""
    envelope = _envelope(message)
    if envelope is None:
        return (
            "It is not run. If its work is wanted, submit with underbutler: `underbutler submit --help`. Then discard "
            f"it: `underbutler quarantine discard {short_id(message.id)}`."
        )
    discard = f"`underbutler quarantine discard {short_id(message.id)}`"
    try:
        target = jobs.read.target(envelope.target)
    except UnknownNameError:
        return (
            f"This is a message of ours, of target {short_id(envelope.target)}, which these records do not have: its "
            f"job was destroyed, or belongs to another installation that shares the broker. Discard it: {discard}."
        )
    job = short_id(target.job_id)
    if target.state.ended:
        then = f"`underbutler retry {job}` runs it again if it should be"
    else:
        then = "the sweeper sends another copy of the message, so nothing is lost"
    return (
        f"This is a damaged copy of a message of ours. Its target {short_id(target.id)} of job {job} is "
        f"{target.state.value}: {then}. Discard this copy: {discard}."
    )


def _envelope(message: ParkedRow) -> Envelope | None:
    try:
        return Envelope.from_json((message.headers or {}).get(HEADER))
    except MessageError:
        return None


def _named(jobs: JobStore, name: str) -> list[TargetRow]:
    if re.fullmatch(r"[0-9a-f]{12}", name) and (of_group := jobs.quarantine.held(fingerprint=name)):
        return of_group
    try:
        return [_replayable(jobs, jobs.quarantine.find(name))]
    except UnknownNameError:
        pass
    try:
        row = jobs.read.job(name)
    except UnknownNameError:
        text = f"{name!r} is not a held target, no fingerprint of a group and no job. {_LIST}"
        raise UnknownNameError(text, name=name, kind="quarantined") from None
    held = jobs.quarantine.held(job=row.id)
    if not held:
        raise UsageError(
            f"Job {short_id(row.id)} has no target in quarantine. To run its failed targets again: "
            f"`underbutler retry {short_id(row.id)}`.",
            job=str(row.id),
        )
    return held


def _replayable(jobs: JobStore, found: TargetRow | ParkedRow) -> TargetRow:
    short = short_id(found.id)
    if not isinstance(found, TargetRow):
        text = f"{short} is a parked message and cannot be replayed. {advice_on(jobs, found)}"
        raise UsageError(text, id=str(found.id))
    if found.replayed_as is not None:
        job = short_id(found.replayed_as)
        raise UsageError(
            f"Target {short} was replayed already, as job {job}. If that failed too, run that one again: "
            f"`underbutler retry {job}`.",
            id=str(found.id),
            job=str(found.replayed_as),
        )
    if found.discarded_at is not None:
        raise UsageError(
            f"Target {short} was discarded. To run it all the same: `underbutler retry {short_id(found.job_id)} "
            "--states held`.",
            id=str(found.id),
        )
    return found


def _of_group(jobs: JobStore, fingerprint: str) -> list[TargetRow]:
    held = jobs.quarantine.held(fingerprint=fingerprint)
    if held:
        return held
    messages = jobs.quarantine.parked(fingerprint=fingerprint, limit=1)
    if messages:
        raise UsageError(
            f"The group {fingerprint!r} is of parked messages, which cannot be replayed. "
            f"{advice_on(jobs, messages[0])}",
            group=fingerprint,
        )
    known = [one.fingerprint for one in jobs.quarantine.groups() if one.kind == "held"]
    raise UnknownNameError.of("group of held targets", fingerprint, known, "List them: `underbutler quarantine list`.")
