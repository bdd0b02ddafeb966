"""Clocks that differ: that of this machine against those of the services it uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from underbutler.wording import span_text

from .findings import Finding

__all__ = ["OFF_S", "clock_findings"]

OFF_S: Final = 60.0
"""A clock that differs by more is off, in seconds. S3 refuses requests from 15 minutes on."""


def clock_findings(about: str, where: str, theirs: float | None, here: float) -> Iterator[Finding]:
    """Say that the clock of this machine and that of a service differ.

    Parameters
    ----------
    about
        Name of the part.
    where
        The service, in words.
    theirs, here
        The two clocks at the same moment, in seconds since 1970 UTC; None where the service tells none.
    """
    if theirs is None or abs(theirs - here) <= OFF_S:
        return
    way = "behind" if theirs > here else "ahead of"
    yield Finding(
        about=about,
        what=f"The clock of this machine is {span_text(abs(theirs - here))} {way} that of {where}.",
        why="Requests to S3 are signed with the time, and what is logged here carries it.",
        cure="Set the clock that is wrong, by NTP for instance (`timedatectl`).",
    )
