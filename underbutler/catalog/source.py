"""Where a run's documents come from: what a store of runs implements.

Every store gives a `RunSource`; `BlueskyRun` and `BlueskyEventStream` read all that they show through it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["EventSource", "GetColumns", "GetDatums", "Keys", "Page", "RunSource", "SubDict"]

Page: TypeAlias = dict[str, Any]
"""An event page: ``descriptor``, columns ``uid``, ``seq_num``, ``time``, and columns by key in ``data`` and others."""

SubDict: TypeAlias = Literal["data", "timestamps"]

Keys: TypeAlias = Collection[str] | None
"""Data keys that are wanted: all when None; none (``uid``, ``seq_num`` and ``time`` only) when empty."""


class GetColumns(Protocol):
    """A store's short way to the columns of one descriptor's events, all in one page."""

    def __call__(
        self, uid: str, keys: Keys = None, *, sub_dict: SubDict = "data", skip: int = 0, limit: int | None = None
    ) -> Mapping[str, Any]:
        """Return one event page, whose columns may be lists or arrays.

        Parameters
        ----------
        uid
            Of which descriptor.
        keys
            The data keys that are wanted.
        sub_dict
            Which sub-dict must be there: ``data`` (with ``filled``, as far as events have it) or ``timestamps``.
        skip, limit
            Which events, counted in the order of `RunSource.get_event_pages`.
        """


class GetDatums(Protocol):
    """A store's short way to some datums."""

    def __call__(self, datum_ids: Sequence[str], /) -> Iterable[Mapping[str, Any]]:
        """Return the datums (or datum pages) that the run has of these, in any order."""


class EventSource(Protocol):
    """What gives the events of a run."""

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Yield event pages, none of them empty, whose columns are lists, in order of ``seq_num``."""
        ...

    def get_event_count(self, descriptor_uid: str, /) -> int:
        """Return how many events a descriptor has."""
        ...

    @property
    def get_columns(self) -> GetColumns | None:
        """A short way to columns; None: they are gathered from pages."""


class RunSource(EventSource, Protocol):
    """What a store gives a run. Each call reads anew, as long as the run is open."""

    def get_run_start(self) -> Mapping[str, Any]:
        """Return the start document."""
        ...

    def get_run_stop(self) -> Mapping[str, Any] | None:
        """Return the stop document, or None while the run is open."""
        ...

    def get_event_descriptors(self) -> Iterable[Mapping[str, Any]]:
        """Return the descriptors of all streams."""
        ...

    def get_resource(self, resource_uid: str, /) -> Mapping[str, Any] | None:
        """Return a resource; an unknown one raises `KeyError`, or is None."""
        ...

    def get_resources(self) -> Iterable[Mapping[str, Any]]:
        """Return all resources of the run."""
        ...

    def lookup_resource_for_datum(self, datum_id: str, /) -> str | None:
        """Return the uid of a datum's resource; an unknown datum raises `KeyError`, or gives None."""
        ...

    def get_datum_pages(self, resource_uid: str, /) -> Iterable[Mapping[str, Any]]:
        """Return the datums of a resource as pages, or one by one."""
        ...

    @property
    def get_datums(self) -> GetDatums | None:
        """A short way to datums; None: they are looked up by their resources."""


def datums_of(source: RunSource, resource_uid: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the ids and keyword arguments of one resource's datums."""
    for page in source.get_datum_pages(resource_uid):
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


def cut_pages(pages: Iterable[Page], skip: int, limit: int | None) -> Iterator[Page]:
    """Yield the rows of some pages that come after ``skip`` others, ``limit`` at the most."""
    if limit == 0:
        return
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


def rows_of(page: Mapping[str, Any], rows: Sequence[int]) -> Page:
    """Return some rows of an event page, in their order."""
    part: Page = {key: [page[key][row] for row in rows] for key in ("uid", "seq_num", "time")}
    part["descriptor"] = page["descriptor"]
    for key in ("data", "timestamps", "filled"):
        part[key] = {name: [column[row] for row in rows] for name, column in page.get(key, {}).items()}
    return part
