"""Problems of the service, each with its cure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from underbutler.model.identity import short_id
from underbutler.wording import counted

from .times import span_text

if TYPE_CHECKING:
    from underbutler.records import Overview, WaitingGroup
    from underbutler.settings import Settings

__all__ = ["Problem", "problems_of", "problems_text"]

SILENT_SWEEPS: Final = 6
"""So many intervals without a sweep are a problem."""
SILENT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of the service.

    Parameters
    ----------
    about
        ``sweeper``, ``workers``, ``worker``, ``repository``, ``annex``, ``quarantine`` or ``waiting``.
    what
        The thing, and what is wrong with it.
    why
        The reason, as it was recorded.
    cure
        What to do.
    since, until
        Seconds since 1970 UTC, where they are known.
    count
        How many targets or messages it is about.
    """

    about: str
    what: str
    why: str = ""
    cure: str = ""
    since: float | None = None
    until: float | None = None
    count: int | None = None


def problems_of(overview: Overview, settings: Settings) -> list[Problem]:
    """Return the problems of a service, the gravest first; none if it is well or not used yet."""
    return [
        *_sweeper(overview, settings),
        *_workers(overview, settings),
        *_repositories(overview),
        *_annex(settings),
        *_quarantine(overview),
        *(_waiting(waiting, overview.now) for waiting in overview.waiting),
    ]


def problems_text(problems: Sequence[Problem]) -> RenderableType:
    """Return problems as lines for people."""
    lines: list[RenderableType] = [Text("Problems:", style="bold yellow")]
    for problem in problems:
        lines.append(Padding(Text(f"- {problem.what}", style="yellow"), (0, 0, 0, 2)))
        lines += [Padding(Text(words), (0, 0, 0, 4)) for words in (problem.why, problem.cure) if words]
    return Group(*lines)


def _sweeper(overview: Overview, settings: Settings) -> Iterator[Problem]:
    cure = "Start it: `celery -A beat beat`, or `underbutler sweep --every 5`."
    if overview.swept_at is None:
        if overview.open_targets:
            yield Problem(
                about="sweeper", what="No housekeeping runs: lost messages and dead workers are not noticed.", cure=cure
            )
        return
    silent_s = overview.now - overview.swept_at
    if silent_s > max(SILENT_S, SILENT_SWEEPS * settings.sweep_interval_s):
        yield Problem(
            about="sweeper",
            what=f"No sweep for {span_text(silent_s)}: lost messages and dead workers are not noticed.",
            cure=cure,
            since=overview.swept_at,
        )


def _workers(overview: Overview, settings: Settings) -> Iterator[Problem]:
    alive = [worker for worker in overview.workers if overview.now - worker.seen_at <= settings.lease_s]
    if not alive and overview.open_targets:
        yield Problem(
            about="workers",
            what=f"No worker is alive, and {_targets(overview.open_targets)} to be run.",
            cure="Start one: `celery -A workers worker`, or `underbutler up`.",
            count=overview.open_targets,
        )
    for worker in overview.workers:
        if worker not in alive:
            yield Problem(
                about="worker",
                what=f"Worker {worker.id} was not seen for {span_text(overview.now - worker.seen_at)}.",
                why="No heartbeat: killed, suspended, or cannot reach the database.",
                since=worker.seen_at,
            )
        elif worker.unfit_reason:
            since = worker.unfit_since if worker.unfit_since is not None else overview.now
            yield Problem(
                about="worker",
                what=f"Worker {worker.id} takes no targets for {span_text(overview.now - since)}.",
                why=worker.unfit_reason,
                since=worker.unfit_since,
            )


def _annex(settings: Settings) -> Iterator[Problem]:
    """Say how many objects an embedded S3 server still lacks that has forgotten them."""
    try:
        facts = json.loads(settings.recovery_file.read_text())
        missing, total, pid = int(facts["missing"]), int(facts["total"]), int(facts["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if missing:
        verify = "Bring them back from the Butler: `underbutler annex verify --repair`."
        yield Problem(
            about="annex",
            what=f"{missing} of {counted(total, 'announced object')} {'is' if missing == 1 else 'are'} missing in S3.",
            why="The S3 server of `underbutler up` keeps its objects in memory, and was started anew.",
            cure="They are being brought back from the Butler." if _lives(pid) else verify,
            count=missing,
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _repositories(overview: Overview) -> Iterator[Problem]:
    for breaker in overview.breakers:
        left = span_text((breaker.open_until or overview.now) - overview.now)
        yield Problem(
            about="repository",
            what=f"Circuit breaker for repository {breaker.label!r} is open for another {left}, "
            f"after {counted(breaker.failures, 'failure')} in a row.",
            why=breaker.reason,
            since=breaker.changed_at,
            until=breaker.open_until,
        )


def _quarantine(overview: Overview) -> Iterator[Problem]:
    for count, one, many in (
        (overview.held, "target is", "targets are"),
        (overview.parked, "parked message is", "parked messages are"),
    ):
        if count:
            yield Problem(
                about="quarantine",
                what=f"{counted(count, one, many)} in quarantine.",
                cure="Look at them: `underbutler quarantine list`.",
                count=count,
            )


def _waiting(waiting: WaitingGroup, now: float) -> Problem:
    soon = "" if waiting.next_at is None or waiting.next_at <= now else f", next in {span_text(waiting.next_at - now)}"
    number = counted(waiting.count, "target waits", "targets wait")
    long = "" if waiting.since is None else f" for {span_text(now - waiting.since)}"
    return Problem(
        about="waiting",
        what=f"{number}{long}{soon}.",
        why=waiting.reason or "A service was unavailable; they are retried.",
        cure=f"Look at one: `underbutler status {short_id(waiting.job)} -v`.",
        since=waiting.since,
        until=waiting.next_at,
        count=waiting.count,
    )


def _targets(number: int) -> str:
    return counted(number, "target is", "targets are")
