"""Runs written to files, as Bluesky's suitcases write them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from underbutler.catalog.source import unpacked
from underbutler.errors import ConflictError, UsageError

from .document_source import page_of, rows_of
from .file_forms import FORMS

__all__ = ["export_run"]


def export_run(
    documents: Iterable[tuple[str, Mapping[str, Any]]],
    folder: str | os.PathLike[str],
    form: Literal["jsonl", "msgpack"] = "jsonl",
    *,
    pages: bool | None = None,
) -> Path:
    """Write the documents of a run to a file ``{uid}.jsonl`` or ``{uid}.msgpack``, which databroker reads too.

    The file appears when it is whole.

    Parameters
    ----------
    documents
        Such as ``run.documents(fill="no")``.
    folder
        Where; it is made.
    form
        ``jsonl`` or ``msgpack``.
    pages
        Whether events and datums are written as pages, or one by one; by default pages in msgpack, as suitcase does.

    Returns
    -------
    path
        The file.

    Raises
    ------
    ConflictError
        If there is such a file.
    UsageError
        If the documents do not begin with a start, or its uid is not a name of a file.
    """
    if form not in FORMS:
        raise UsageError(f"Runs are exported as {' or '.join(FORMS)}, not as {form!r}.", form=form)
    stream = iter(documents)
    name, start = next(stream, ("", {}))
    uid = str(start.get("uid", ""))
    if name != "start" or not uid or uid.startswith(".") or set(uid) & set("/\\\0"):
        raise UsageError(f"A run begins with a start document whose uid can name a file, not with {name!r} {uid!r}.")
    target = Path(folder) / f"{uid}{FORMS[form].suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(FORMS[form].encode("start", start))
            for kind, document in _in_form(stream, form == "msgpack" if pages is None else pages):
                file.write(FORMS[form].encode(kind, document))
        _put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _put_in_place(part: Path, target: Path) -> None:
    """Give a file its name, unless another one has it."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise ConflictError(
            f"There is a file {target} already. Remove it, or export to another folder.", path=str(target)
        ) from error


def _in_form(
    documents: Iterable[tuple[str, Mapping[str, Any]]], pages: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield documents with events and datums as pages, or one by one."""
    forms = _PAGES if pages else _SINGLE
    for name, document in documents:
        yield from forms[name](document) if name in forms else [(name, document)]


_SINGLE = {
    "event_page": lambda page: (("event", event) for event in rows_of(page)),
    "datum_page": lambda page: (
        ("datum", {"datum_id": datum_id, "datum_kwargs": kwargs, "resource": page["resource"]})
        for datum_id, kwargs in unpacked(page)
    ),
}
_PAGES = {
    "event": lambda event: [("event_page", page_of(event["descriptor"], [event]))],
    "datum": lambda datum: [
        (
            "datum_page",
            {
                "datum_id": [datum["datum_id"]],
                "datum_kwargs": {name: [value] for name, value in datum["datum_kwargs"].items()},
                "resource": datum["resource"],
            },
        )
    ],
}
