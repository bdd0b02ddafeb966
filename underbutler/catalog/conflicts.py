"""When two documents are the same one, and what is said of those that cannot be kept beside others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from underbutler.errors import ConflictError, LostDatasetError

__all__ = ["MissingDocumentError", "canonical", "closed", "compare", "missing"]


class MissingDocumentError(LostDatasetError):
    """A document refers to another one that was not written before it."""


def canonical(document: Any) -> str:
    """Return the text by which equal documents are known: the order of keys does not count, NaN is NaN."""
    return json.dumps(document, sort_keys=True)


def compare(kind: str, document: Mapping[str, Any], stored: Any) -> None:
    """Refuse a document that is there already and is another.

    Raises
    ------
    ConflictError
        Unless they are equal.
    """
    own = {key: value for key, value in document.items() if value != {} or key != "filled"}
    other = {key: value for key, value in stored.items() if value != {} or key != "filled"}
    if canonical(own) != canonical(other):
        uid = document.get("uid", document.get("datum_id"))
        raise ConflictError(
            f"The {kind} document {uid!r} is in the catalogue with another content. A document is never changed: give "
            "the new one a uid of its own.",
            kind=kind,
            uid=uid,
        )


def closed(kind: str, uid: str, run_uid: str) -> ConflictError:
    """Return what is said of a new document of a run that has ended."""
    return ConflictError(
        f"The {kind} {uid!r} comes after the stop of run {run_uid!r}, which is final. Write a new run, with "
        f"`parent={run_uid!r}` in its start document.",
        kind=kind,
        uid=uid,
        run=run_uid,
    )


def missing(kind: str, uid: str, of_kind: str, of_uid: str) -> MissingDocumentError:
    """Return what is said of a document that comes before one that it needs."""
    return MissingDocumentError(
        f"The {kind} {uid!r} refers to the {of_kind} document {of_uid!r}, which was not written. Write the documents "
        "of a run in their order: start, descriptors, resources, datums, events, stop.",
        kind=kind,
        uid=uid,
        missing=of_uid,
    )
