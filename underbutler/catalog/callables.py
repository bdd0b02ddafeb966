"""A run's documents out of the seed's callables, each as capable as it happens to be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .source import GetColumns, GetDatums, Page, RunSource, cut_pages

__all__ = ["CallableSource"]


@dataclass(frozen=True, kw_only=True)
class CallableSource:
    """A `RunSource` made of callables. The first nine are the seed's; the others are short ways that may be offered.

    Parameters
    ----------
    get_run_start, get_run_stop, get_event_descriptors, get_event_count, get_resource, get_resources
        See `RunSource`.
    lookup_resource_for_datum, get_datum_pages, get_columns, get_datums
        See `RunSource`.
    get_event_pages
        See `RunSource`. One that takes the descriptor's uid alone is good enough, and one that yields events instead of
        pages.
    """

    get_run_start: Callable[[], Mapping[str, Any]]
    get_run_stop: Callable[[], Mapping[str, Any] | None]
    get_event_descriptors: Callable[[], Iterable[Mapping[str, Any]]]
    get_event_pages: Callable[..., Iterator[Page]]
    get_event_count: Callable[[str], int]
    get_resource: Callable[[str], Mapping[str, Any] | None]
    get_resources: Callable[[], Iterable[Mapping[str, Any]]]
    lookup_resource_for_datum: Callable[[str], str | None]
    get_datum_pages: Callable[[str], Iterable[Mapping[str, Any]]]
    get_columns: GetColumns | None = None
    get_datums: GetDatums | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "get_event_pages", partial(_event_pages, self.get_event_pages))

    @classmethod
    def of(cls, source: RunSource, **others: Any) -> CallableSource:
        """Return the callables of another source, some of them replaced.

        Parameters
        ----------
        source
            The other one.
        **others
            Callables by name.
        """
        return cls(**{name: getattr(source, name) for name in CALLABLES} | others)


CALLABLES = tuple(CallableSource.__dataclass_fields__)
"""The names of the callables."""


def _event_pages(
    get_event_pages: Callable[..., Iterable[Mapping[str, Any]]],
    descriptor_uid: str,
    skip: int = 0,
    limit: int | None = None,
) -> Iterator[Page]:
    """Yield event pages of one descriptor, whatever a callable can do: none is empty."""
    if limit == 0:
        return  # what yields pages on its own need not know what none is
    if (skip == 0 and limit is None) or not _takes_a_range(get_event_pages):
        pages = cut_pages(map(_as_page, get_event_pages(descriptor_uid)), skip, limit)
    else:
        pages = map(_as_page, get_event_pages(descriptor_uid, skip=skip, limit=limit))
    for page in pages:
        if page["uid"]:
            yield page


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
