"""Where a run's documents come from: the seed's callables as one value. May import errors.

Every store gives a `RunSource`; `BlueskyRun` and `BlueskyEventStream` read all that they show through it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["GetColumns", "Page", "RunSource", "SubDict"]

Page: TypeAlias = dict[str, Any]
"""An event page: ``descriptor``, columns ``uid``, ``seq_num``, ``time``, and columns by key in ``data`` and others."""

SubDict: TypeAlias = Literal["data", "timestamps"]


class GetColumns(Protocol):
    """A store's short way to the columns of one descriptor's events, all in one page."""

    def __call__(
        self,
        descriptor_uid: str,
        keys: Collection[str] | None = None,
        *,
        sub_dict: SubDict = "data",
        skip: int = 0,
        limit: int | None = None,
    ) -> Mapping[str, Any]:
        """Return one event page, whose columns may be lists or arrays.

        Parameters
        ----------
        descriptor_uid
            Of which descriptor.
        keys
            The data keys that are wanted; all when None; none (``uid``, ``seq_num`` and ``time`` only) when empty.
        sub_dict
            Which sub-dict must be there: ``data`` (with ``filled``, as far as events have it) or ``timestamps``.
        skip, limit
            Which events, counted in the order of `RunSource.get_event_pages`.
        """


@dataclass(frozen=True)
class RunSource:
    """What a store gives a run. The first nine are the seed's; the others are short ways that a store may offer.

    Parameters
    ----------
    get_run_start
        Returns the start document.
    get_run_stop
        Returns the stop document, or None while the run is open.
    get_event_descriptors
        Returns the descriptors of all streams.
    get_event_pages
        ``get_event_pages(descriptor_uid, skip=0, limit=None)`` yields event pages, whose columns are lists, in order
        of ``seq_num``. One that takes the uid alone is good enough, and one that yields events instead of pages.
    get_event_count
        ``get_event_count(descriptor_uid)``.
    get_resource
        ``get_resource(resource_uid)``; an unknown one raises `KeyError`, or is None.
    get_resources
        Returns all resources of the run.
    lookup_resource_for_datum
        ``lookup_resource_for_datum(datum_id)`` returns the resource's uid.
    get_datum_pages
        ``get_datum_pages(resource_uid)`` yields datum pages (or datums).
    get_columns
        See `GetColumns`: without it columns are gathered from pages.
    get_datums
        ``get_datums(datum_ids)`` returns the datums that it knows of these, in any order. Without it they are looked up
        by their resources.
    """

    get_run_start: Callable[[], Mapping[str, Any]]
    get_run_stop: Callable[[], Mapping[str, Any] | None]
    get_event_descriptors: Callable[[], Iterable[Mapping[str, Any]]]
    get_event_pages: Callable[..., Iterable[Mapping[str, Any]]]
    get_event_count: Callable[[str], int]
    get_resource: Callable[[str], Mapping[str, Any] | None]
    get_resources: Callable[[], Iterable[Mapping[str, Any]]]
    lookup_resource_for_datum: Callable[[str], str | None]
    get_datum_pages: Callable[[str], Iterable[Mapping[str, Any]]]
    get_columns: GetColumns | None = None
    get_datums: Callable[[Sequence[str]], Iterable[Mapping[str, Any]]] | None = None

    def event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Yield event pages of one descriptor, whatever `get_event_pages` can do: none is empty.

        Parameters
        ----------
        descriptor_uid
            Of which descriptor.
        skip, limit
            Which events.
        """
        if limit == 0:
            return
        if (skip == 0 and limit is None) or not _takes_a_range(self.get_event_pages):
            pages = _cut(map(_as_page, self.get_event_pages(descriptor_uid)), skip, limit)
        else:
            pages = map(_as_page, self.get_event_pages(descriptor_uid, skip=skip, limit=limit))
        for page in pages:
            if page["uid"]:
                yield page

    def datums(self, resource_uid: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the ids and keyword arguments of one resource's datums."""
        for page in self.get_datum_pages(resource_uid):
            yield from unpacked(page)


def unpacked(page: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ids and keyword arguments of a datum page, or of a datum."""
    names, ids = list(page["datum_kwargs"]), page["datum_id"]
    if isinstance(ids, str):
        yield ids, dict(page["datum_kwargs"])
        return
    columns = [page["datum_kwargs"][name] for name in names]
    for row, datum_id in enumerate(ids):
        yield datum_id, {name: column[row] for name, column in zip(names, columns, strict=True)}


def cut(page: Mapping[str, Any], begin: int, end: int) -> Page:
    """Return rows ``begin`` to ``end`` of an event page."""
    part: Page = {key: page[key][begin:end] for key in ("uid", "seq_num", "time")}
    part["descriptor"] = page["descriptor"]
    for key in ("data", "timestamps", "filled"):
        part[key] = {name: column[begin:end] for name, column in page.get(key, {}).items()}
    return part


def rows_of(page: Mapping[str, Any], rows: Sequence[int]) -> Page:
    """Return some rows of an event page, in their order."""
    part: Page = {key: [page[key][row] for row in rows] for key in ("uid", "seq_num", "time")}
    part["descriptor"] = page["descriptor"]
    for key in ("data", "timestamps", "filled"):
        part[key] = {name: [column[row] for row in rows] for name, column in page.get(key, {}).items()}
    return part


def _cut(pages: Iterable[Page], skip: int, limit: int | None) -> Iterator[Page]:
    for page in pages:
        rows = len(page["uid"])
        if skip >= rows:
            skip -= rows
            continue
        end = rows if limit is None else min(rows, skip + limit)
        yield page if (skip, end) == (0, rows) else cut(page, skip, end)
        if limit is not None:
            limit -= end - skip
            if limit <= 0:
                return
        skip = 0


def _as_page(document: Mapping[str, Any]) -> Page:
    """Return an event page, of a page or of a single event."""
    if not isinstance(document["uid"], str):
        return dict(document)
    page: Page = {key: [document[key]] for key in ("uid", "seq_num", "time")}
    page["descriptor"] = document["descriptor"]
    for key in ("data", "timestamps", "filled"):
        page[key] = {name: [value] for name, value in document.get(key, {}).items()}
    return page


def _takes_a_range(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return {"skip", "limit"} <= set(parameters) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
