"""Waits until a job is in another phase."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from underbutler.model.job import Phase
    from underbutler.records import JobRow

    from .site import Site

__all__ = ["LONGEST_WAIT_S", "wait_for_change"]

LONGEST_WAIT_S: Final = 55.0
"""A request waits for so long at most, in seconds: proxies end those of a minute."""


async def wait_for_change(site: Site, job: uuid.UUID, wait_s: float, phase: Phase | None = None) -> JobRow:
    """Return a job when it is in another phase than now, or than `phase`; or when the time is over.

    Parameters
    ----------
    site
        Where.
    job
        Which.
    wait_s
        Seconds; less than 0, and what is too long: `LONGEST_WAIT_S`.
    phase
        The phase that the client knows; None: that which it has now.
    """
    longest = LONGEST_WAIT_S if wait_s < 0 else min(wait_s, LONGEST_WAIT_S)
    deadline = time.monotonic() + longest
    with site.bell.waiting(job) as rung:
        row = await run_in_threadpool(site.jobs.read.job, job)
        known = row.phase if phase is None else phase
        while row.phase == known and not row.phase.ended:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), left)
            rung.clear()
            row = await run_in_threadpool(site.jobs.read.job, job)
    return row
