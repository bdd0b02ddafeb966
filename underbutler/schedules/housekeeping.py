"""Housekeeping that is scheduled: a sweep, the expiry of old jobs, the annex verified."""

from __future__ import annotations

from collections import Counter

from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.records import FiringRow, FiringState

from .entries import Definition

__all__ = ["keep_house"]


def keep_house(
    context: ServiceContext,
    firing: FiringRow,  # noqa: ARG001 - called as `submit_firing` is
    definition: Definition,
) -> tuple[FiringState, str | None]:
    """Do a chore; return what became of it, and what there is to say.

    Raises
    ------
    TransientError
        If a service is away.
    """
    chores = {"sweep": _sweep, "expire": _expire, "verify": _verify}
    return chores[definition.chore or "sweep"](context, definition)


def _sweep(context: ServiceContext, _definition: Definition) -> tuple[FiringState, str]:
    from underbutler.sweeper import sweep

    report = sweep(context, make_app(context.settings, "sweeper"))
    if report.errors:
        return FiringState.FAILED, "; ".join(map(str, report.errors))
    return FiringState.DONE, "; ".join(part.line for part in report.parts if part.did_something) or "nothing to do"


def _expire(context: ServiceContext, definition: Definition) -> tuple[FiringState, str]:
    """Let the sweeper destroy old jobs, and forget old firings. Datasets and objects stay."""
    older_than_s = float(definition.older_than or 0)
    jobs = context.jobs.lifetimes.expire_jobs(older_than_s)
    firings = context.jobs.firings.forget(older_than_s)
    return FiringState.DONE, f"{jobs} jobs and {firings} firings expired"


def _verify(context: ServiceContext, definition: Definition) -> tuple[FiringState, str]:
    from underbutler.sweeper.annex_check import check_annex

    findings = check_annex(context, since_s=definition.since, deep=definition.deep, repair=definition.repair)
    counts = Counter((finding.kind.value, finding.repaired) for finding in findings)
    if not counts:
        return FiringState.DONE, "all in order"
    words = ", ".join(f"{number} × {kind}{', repaired' * done}" for (kind, done), number in sorted(counts.items()))
    left = any(not repaired for _, repaired in counts)
    return (FiringState.FAILED, f"{words}. Look: `underbutler annex verify`.") if left else (FiringState.DONE, words)
