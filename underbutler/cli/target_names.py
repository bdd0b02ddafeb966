"""Targets of a job as people name them: by place, id, or words of a data ID."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import SHORTEST_END, is_named, short_id

if TYPE_CHECKING:
    from underbutler.records import JobRow, TargetRow

__all__ = ["is_data_id", "named_targets"]


def named_targets(
    targets: Sequence[TargetRow], job: JobRow, words: Sequence[str], *, may_be_none: bool = False
) -> list[TargetRow]:
    """Return the targets of a job that words name; all of them if there are no words.

    Parameters
    ----------
    targets, job
        Among which, and of which job.
    words
        A target's place in ``underbutler status JOB``, its id or at least 4 characters of it, or words of its data ID.
    may_be_none
        Whether the words may name none.

    Raises
    ------
    UnknownNameError
        If they name none.
    UsageError
        If a part of an id is that of several.
    """
    if not words:
        return list(targets)
    found = _by_data_id(targets, words) if is_data_id(words) else _by_name(targets, words)
    if not found and not may_be_none:
        raise UnknownNameError(
            f"Job {short_id(job.id)} has no target {' '.join(words)!r}. List its {job.n_targets}: `underbutler status "
            f"{short_id(job.id)} -v`.",
            name=" ".join(words),
        )
    return found


def is_data_id(words: Sequence[str]) -> bool:
    """Tell whether words are those of a data ID."""
    return all("=" in word for word in words)


def _by_data_id(targets: Sequence[TargetRow], words: Sequence[str]) -> list[TargetRow]:
    pairs = [word.partition("=")[::2] for word in words]
    return [one for one in targets if all(str(one.data_id.get(key)) == value.strip("'\"") for key, value in pairs)]


def _by_name(targets: Sequence[TargetRow], words: Sequence[str]) -> list[TargetRow]:
    if len(words) > 1:
        raise UsageError(
            f"{' '.join(words)!r} is not a target: say its place, its id, or KEY=VALUE words of its data ID."
        )
    name = words[0].strip().lower().removeprefix("#")
    if re.fullmatch(r"\d{1,7}", name):
        place = [one for one in targets if one.ordinal + 1 == int(name)]
        if place or len(name) < 4:
            return place
    found = [one for one in targets if len(name) >= SHORTEST_END and is_named(one.id, name)]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} targets have ids that begin or end with {name!r}. Give more characters.", name=name
        )
    return found
