"""What is not well with the service, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from .moments import span_text

if TYPE_CHECKING:
    from underbutler.records import Overview, WaitingGroup
    from underbutler.settings import Settings

__all__ = ["Concern", "concerns_of", "concerns_text"]

SILENT_SWEEPS: Final = 6
"""So many intervals without a sweep are a concern."""
SILENT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that is not well.

    Parameters
    ----------
    about
        ``sweeper``, ``workers``, ``worker``, ``repository``, ``quarantine`` or ``waiting``.
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


def concerns_of(overview: Overview, settings: Settings) -> list[Concern]:
    """Return what is not well, the gravest first; none for a service that is well or that nobody uses yet."""
    return [
        *_sweeper(overview, settings),
        *_workers(overview, settings),
        *_repositories(overview),
        *_quarantine(overview),
        *(_waiting(waiting, overview.now) for waiting in overview.waiting),
    ]


def concerns_text(concerns: Sequence[Concern]) -> RenderableType:
    """Return what is not well as lines for people."""
    lines: list[RenderableType] = [Text("Not well:", style="bold yellow")]
    for concern in concerns:
        lines.append(Padding(Text(f"- {concern.what}", style="yellow"), (0, 0, 0, 2)))
        lines += [Padding(Text(words), (0, 0, 0, 4)) for words in (concern.why, concern.cure) if words]
    return Group(*lines)


def _sweeper(overview: Overview, settings: Settings) -> Iterator[Concern]:
    cure = "Start it: `celery -A beat beat`, or `underbutler sweep --every 5`."
    if overview.swept_at is None:
        if overview.open_targets:
            yield Concern(about="sweeper", what="Nobody sweeps: what is lost or dies is not found.", cure=cure)
        return
    silent_s = overview.now - overview.swept_at
    if silent_s > max(SILENT_S, SILENT_SWEEPS * settings.sweep_interval_s):
        yield Concern(
            about="sweeper",
            what=f"No sweep for {span_text(silent_s)}: what is lost or dies is not found.",
            cure=cure,
            since=overview.swept_at,
        )


def _workers(overview: Overview, settings: Settings) -> Iterator[Concern]:
    alive = [worker for worker in overview.workers if overview.now - worker.seen_at <= settings.lease_s]
    if not alive and overview.open_targets:
        yield Concern(
            about="workers",
            what=f"No worker is alive, and {_targets(overview.open_targets)} to be run.",
            cure="Start one: `celery -A workers worker`, or `underbutler up`.",
            count=overview.open_targets,
        )
    for worker in overview.workers:
        if worker not in alive:
            yield Concern(
                about="worker",
                what=f"Worker {worker.id} was not seen for {span_text(overview.now - worker.seen_at)}.",
                why="It said no goodbye: it was killed, stopped, or does not reach the records.",
                since=worker.seen_at,
            )
        elif worker.unfit_reason:
            since = worker.unfit_since if worker.unfit_since is not None else overview.now
            yield Concern(
                about="worker",
                what=f"Worker {worker.id} takes no targets for {span_text(overview.now - since)}.",
                why=worker.unfit_reason,
                since=worker.unfit_since,
            )


def _repositories(overview: Overview) -> Iterator[Concern]:
    for breaker in overview.breakers:
        left = span_text((breaker.open_until or overview.now) - overview.now)
        yield Concern(
            about="repository",
            what=f"Repository {breaker.label!r} is left alone for {left}, after {breaker.failures} failures in a row.",
            why=breaker.reason,
            since=breaker.changed_at,
            until=breaker.open_until,
        )


def _quarantine(overview: Overview) -> Iterator[Concern]:
    for count, one, many in (
        (overview.held, "target is", "targets are"),
        (overview.parked, "parked message is", "parked messages are"),
    ):
        if count:
            yield Concern(
                about="quarantine",
                what=f"{count} {one if count == 1 else many} in quarantine.",
                cure="Look at them: `underbutler quarantine list`.",
                count=count,
            )


def _waiting(waiting: WaitingGroup, now: float) -> Concern:
    soon = "" if waiting.next_at is None or waiting.next_at <= now else f", next in {span_text(waiting.next_at - now)}"
    number = f"{waiting.count} {'target waits' if waiting.count == 1 else 'targets wait'}"
    long = "" if waiting.since is None else f" for {span_text(now - waiting.since)}"
    return Concern(
        about="waiting",
        what=f"{number}{long}{soon}.",
        why=waiting.reason or "A service was away when they ran; they are tried again.",
        cure=f"Look at one: `underbutler status {str(waiting.job)[:8]} -v`.",
        since=waiting.since,
        until=waiting.next_at,
        count=waiting.count,
    )


def _targets(number: int) -> str:
    return "1 target is" if number == 1 else f"{number} targets are"
