"""Finding one run by what people call it: newest, scan id, uid, the beginning or the end of a uid."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from underbutler.errors import UnknownNameError, UsageError
from underbutler.model.identity import SHORTEST_END
from underbutler.wording import shortened

from .query.questions import LARGEST
from .run_store import RunHeader, RunStore

__all__ = ["AmbiguousRunError", "RunIndexError", "UnknownRunError", "find", "find_of_dataset"]

_SHOWN: Final = 10
"""Candidates that the text of an error lists."""

_LONGEST: Final = 200
"""Characters of a uid of which the end is looked for."""

_LAST: Final = "\U0010ffff"
"""The last of all characters: what begins with a text sorts before it."""


class UnknownRunError(UnknownNameError):
    """No run has this uid or scan id."""


class RunIndexError(UsageError, IndexError):
    """There are not so many runs."""


class AmbiguousRunError(UsageError, ValueError):
    """Several uids begin or end like this."""


def find(shelf: RunStore, query: Mapping[str, Any], key: object) -> RunHeader:
    """Return one of the runs that a query finds.

    Parameters
    ----------
    shelf
        The place that keeps them.
    query
        Among which runs.
    key
        ``-1`` is the newest, ``-2`` the one before; any other number a ``scan_id``, of which the newest run counts; a
        text a uid, or the beginning or the end of one, or else one of these numbers.

    Raises
    ------
    UnknownRunError
        If there is none (also a `KeyError`).
    RunIndexError
        If there are fewer runs (also an `IndexError`).
    AmbiguousRunError
        If there are several (also a `ValueError`).
    """
    if isinstance(key, str | UUID):
        return _by_uid(shelf, query, str(key))
    try:
        number = operator.index(key)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(key, bool):
        raise UnknownRunError(
            f"Runs are found by uid, by scan_id, or by -1, -2, … counting from the newest, not by {key!r}.", key=key
        )
    return _by_number(shelf, query, number)


def find_of_dataset(shelf: RunStore, query: Mapping[str, Any], dataset: str) -> RunHeader:
    """Return the run that tells of a dataset in a Butler repository, among those that a query finds.

    A database knows it as soon as its event is written; of other places a run is found by its stop document.

    Raises
    ------
    UnknownRunError
        If there is none (also a `KeyError`).
    """
    known = getattr(shelf, "uid_of_dataset", None)
    uid = None if known is None else known(dataset)
    header = _first(shelf, both(query, {"stop.datasets": dataset} if uid is None else {"uid": uid}))
    if header is None:
        raise UnknownRunError(
            f"No run of {shelf.place} tells of the dataset {dataset!r}. It may be no output of a job, or of a target "
            "that has not ended: look for the job by its RUN collection, search({'run': …}).",
            dataset=dataset,
        )
    return header


def _by_number(shelf: RunStore, query: Mapping[str, Any], number: int) -> RunHeader:
    if abs(number) >= LARGEST:
        raise UnknownRunError(f"No run of {shelf.place} has {shortened(number)}: numbers have 64 bits.")
    if number >= 0:
        header = _first(shelf, both(query, {"scan_id": number}))
        if header is None:
            raise UnknownRunError(f"No run of {shelf.place} has scan_id {number}.", scan_id=number)
        return header
    header = _first(shelf, query, skip=-number - 1)
    if header is None:
        count = shelf.count(query)
        raise RunIndexError(f"Of {shelf.place} there is no run {number}: it has {count}.", index=number, count=count)
    return header


def _by_uid(shelf: RunStore, query: Mapping[str, Any], text: str) -> RunHeader:
    header = _first(shelf, both(query, {"uid": text}))
    if header is not None:
        return header
    found = _by_part(shelf, query, text)
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(header.uid for header in found[:_SHOWN])
        more = ", …" if len(found) > _SHOWN else ""
        raise AmbiguousRunError(
            f"Several runs begin or end with {text!r}: {shown}{more}. Write more of the uid.",
            prefix=text,
            candidates=[header.uid for header in found],
        )
    if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < _LONGEST:
        return _by_number(shelf, query, int(text))
    raise UnknownRunError(
        f"No run of {shelf.place} has a uid that begins or ends with {shortened(text)}.", uid=text[:_LONGEST]
    )


def _by_part(shelf: RunStore, query: Mapping[str, Any], text: str) -> list[RunHeader]:
    """Return the first runs whose uid begins with a text, or ends with one that is long enough."""
    parts: list[Mapping[str, Any]] = [{"uid": {"$gte": text, "$lt": text + _LAST}}] if text else []
    if SHORTEST_END <= len(text) < _LONGEST:
        parts.append({"uid": {"$regex": re.escape(text) + "$"}})
    found = {header.uid: header for part in parts for header in shelf.headers(both(query, part), limit=_SHOWN + 1)}
    return list(found.values())[: _SHOWN + 1]


def both(query: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a query that asks for both; one of many parts stays flat."""
    if not query or not other:
        return query or other
    parts = query["$and"] if list(query) == ["$and"] else [query]
    return {"$and": [*parts, other]}


def _first(shelf: RunStore, query: Mapping[str, Any], skip: int = 0) -> RunHeader | None:
    return next(iter(shelf.headers(query, skip=skip, limit=1)), None)
