"""The documents of a run, one after the other."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from typing import Any, TypeAlias

from .arrays.external import ExternalData, Place, no_handler
from .arrays.field_types import Declared, in_a_stream
from .arrays.filling import Fill, delays_itself, is_delayed, known_specs
from .arrays.lazy_columns import READERS, ExternalColumn, is_external
from .documents import Descriptor
from .source import Page, RunSource, cut, datums_of, rows_of

__all__ = ["Replay"]

Pair: TypeAlias = tuple[str, Any]

FILLED_BYTES = 16 * 2**20
"""Nominal size of the external values of one event page."""


class Replay:
    """Yields ``(name, document)`` pairs of events, with the resources and datums that they point to before them.

    Each document comes once, and an event that is there twice comes once, with a warning.

    Parameters
    ----------
    source
        Where documents come from.
    external
        Finds and loads external values.
    descriptors
        Of the events that are replayed.
    fill
        ``yes`` gives arrays, ``no`` datum ids, ``delayed`` dask arrays.
    """

    def __init__(
        self, source: RunSource, external: ExternalData, descriptors: Sequence[Descriptor], fill: Fill
    ) -> None:
        self._source, self._external, self._fill = source, external, fill
        self._descriptors = list({descriptor["uid"]: descriptor for descriptor in descriptors}.values())
        self._fields = {
            descriptor["uid"]: {
                key: Declared.of(key, said, descriptor.get("name", ""), dtype=fill == "delayed")
                for key, said in descriptor["data_keys"].items()
            }
            for descriptor in self._descriptors
        }
        self._external_keys = {
            uid: {key for key, declared in fields.items() if declared.external} for uid, fields in self._fields.items()
        }
        self._events: set[str] = set()
        self._twice = 0
        self._datums: set[str] = set()
        self._resources: set[str] = set()

    def references(self) -> Iterator[Pair]:
        """Yield every resource, and every datum of a source that cannot find them one by one."""
        for resource in self._external.resources():
            self._resources.add(resource["uid"])
            yield "resource", resource
        if self._source.get_datums is None:
            for uid in list(self._resources):
                yield from self._datum_pages_of(uid)

    def events(self, *, strict_order: bool) -> Iterator[Pair]:
        """Yield event pages, and before each the resources and datums that it points to and that did not come yet.

        Parameters
        ----------
        strict_order
            Whether the events of all descriptors come in order of time; else one descriptor's after the other's.
        """
        self._warn_of_streams()
        streams = [self._source.get_event_pages(descriptor["uid"]) for descriptor in self._descriptors]
        pages = _by_time([self._once(pages) for pages in streams]) if strict_order else self._chained(streams)
        for page in pages:
            yield from self.page(page)
        if self._twice:
            warnings.warn(f"{self._twice} events are there twice (same uid) and come once.", stacklevel=2)

    def _warn_of_streams(self) -> None:
        keys = {key for one in self._descriptors for key, said in one["data_keys"].items() if in_a_stream(said)}
        if keys:
            warnings.warn(
                f"The values of {', '.join(sorted(keys))} are in stream_resource and stream_datum documents, which are "
                "not kept here: the events come without them.",
                stacklevel=2,
            )

    def unmentioned(self) -> Iterator[Pair]:
        """Yield the datums of resources that no event pointed to."""
        if self._source.get_datums is not None:
            mentioned = {found.resource for found in self._external.find(self._datums).values()}
            for uid in sorted(self._resources - mentioned):
                yield from self._datum_pages_of(uid)

    def page(self, page: Page) -> Iterator[Pair]:
        """Yield one event page, filled as chosen, and before it what it points to and did not come yet."""
        unfilled = self._unfilled(page)
        if not unfilled:
            yield "event_page", own(page)
            return
        yield from self._pointed_to(page, unfilled)
        rows = len(page["uid"])
        step = rows
        if self._fill == "yes":
            step = max(1, FILLED_BYTES // sum(declared.value_bytes for declared in unfilled))
        for begin in range(0, rows, step):
            part = own(page) if step >= rows else cut(page, begin, begin + step)
            yield "event_page", part if self._fill == "no" else self._filled(part, unfilled)

    def _unfilled(self, page: Page) -> list[Declared]:
        """Return the fields of which a page holds datum ids."""
        fields = self._fields[page["descriptor"]]
        able = self._external_keys[page["descriptor"]].union(page.get("filled") or ())
        return [
            fields[key]
            for key in (page["data"] if able else ())
            if key in able
            and key in fields
            and any(map(is_external, repeat(fields[key]), page["data"][key], _said(page, key)))
        ]

    def _chained(self, streams: Iterable[Iterator[Page]]) -> Iterator[Page]:
        for pages in streams:
            yield from self._once(pages)

    def _once(self, pages: Iterator[Page]) -> Iterator[Page]:
        """Yield pages without events that came before, each in order of ``seq_num``."""
        events = self._events
        for page in pages:
            uids, numbers = page["uid"], page["seq_num"]
            if events.isdisjoint(uids) and len(set(uids)) == len(uids) and all(map(operator.le, numbers, numbers[1:])):
                events.update(uids)
                yield page
                continue
            new = {}
            for row, uid in enumerate(uids):
                if uid not in events:
                    events.add(uid)
                    new[row] = numbers[row]
            self._twice += len(uids) - len(new)
            if new:
                yield rows_of(page, sorted(new, key=new.__getitem__))

    def _pointed_to(self, page: Page, unfilled: Sequence[Declared]) -> Iterator[Pair]:
        new = []
        for declared in unfilled:
            for datum_id, said in zip(page["data"][declared.key], _said(page, declared.key), strict=True):
                if is_external(declared, datum_id, said) and datum_id not in self._datums:
                    self._datums.add(datum_id)
                    new.append(datum_id)
        found = self._external.find(new)
        for uid in dict.fromkeys(datum.resource for datum in found.values()):
            resource = None if uid in self._resources else self._external.resource(uid)
            if resource is not None:
                self._resources.add(uid)
                yield "resource", resource
        yield from _datum_pages((datum_id, datum.resource, datum.kwargs) for datum_id, datum in found.items())

    def _datum_pages_of(self, uid: str) -> Iterator[Pair]:
        new = {datum_id: kwargs for datum_id, kwargs in datums_of(self._source, uid) if datum_id not in self._datums}
        self._datums.update(new)
        yield from _datum_pages((datum_id, uid, kwargs) for datum_id, kwargs in new.items())

    def _filled(self, page: Page, unfilled: Sequence[Declared]) -> Page:
        """Fill a page in place: values where datum ids were, and these in ``filled``."""
        descriptor = next(one for one in self._descriptors if one["uid"] == page["descriptor"])
        filled = dict(page.get("filled") or {})
        for declared in unfilled:
            column, said = list(page["data"][declared.key]), _said(page, declared.key)
            wanted = [row for row, one in enumerate(said) if is_external(declared, column[row], one)]
            places = [Place(declared.key, declared.stream, page["seq_num"][row], page["uid"][row]) for row in wanted]
            ids = [column[row] for row in wanted]
            for row, datum_id, value in zip(wanted, ids, self._loaded(ids, declared, descriptor, places), strict=True):
                column[row], said[row] = value, datum_id
            page["data"][declared.key] = column
            filled[declared.key] = [one or True for one in said]
        page["filled"] = filled
        return page

    def _loaded(
        self, datum_ids: Sequence[str], declared: Declared, descriptor: Descriptor, places: Sequence[Place]
    ) -> Iterator[Any]:
        if self._fill == "delayed":
            for datum_id, place in zip(datum_ids, places, strict=True):
                yield self._delayed(datum_id, declared, descriptor, place)
            return
        self._external.prepare(datum_ids)
        with ThreadPoolExecutor(READERS) as pool:
            yield from pool.map(self._external.load, datum_ids, repeat(descriptor), places)

    def _delayed(self, datum_id: str, declared: Declared, descriptor: Descriptor, place: Place) -> Any:
        datum, resource = self._external.resolve(datum_id, place)
        filler = self._external.fillers.of_spec(resource["spec"])
        if resource["spec"] not in known_specs(filler):
            raise no_handler(filler, resource, place)
        handler_class = filler.handler_registry[resource["spec"]]
        if is_delayed(handler_class):
            return self._external.fillers["delayed"].get_handler(resource)(**datum.kwargs)
        if delays_itself(handler_class):
            return self._external.delayed(datum_id, declared, place)
        column = ExternalColumn(declared, self._external, descriptor, [datum_id], [False], [place.uid], [place.seq_num])
        return column.lazy_by_event()[0]


def _datum_pages(datums: Iterable[tuple[str, str, dict[str, Any]]]) -> Iterator[Pair]:
    """Yield datums (id, resource, keyword arguments) as pages, one for each resource and set of arguments."""
    pages: dict[tuple[str, tuple[str, ...]], Page] = {}
    for datum_id, resource, kwargs in datums:
        names = tuple(kwargs)
        new: Page = {"resource": resource, "datum_id": [], "datum_kwargs": {name: [] for name in names}}
        page = pages.setdefault((resource, names), new)
        page["datum_id"].append(datum_id)
        for name in names:
            page["datum_kwargs"][name].append(kwargs[name])
    for page in pages.values():
        yield "datum_page", page


def _said(page: Page, key: str) -> list[Any]:
    """Return what ``filled`` says of a field, event by event; None where it says nothing."""
    said = (page.get("filled") or {}).get(key)
    return [None] * len(page["uid"]) if said is None else list(said)


def _by_time(streams: Iterable[Iterator[Page]]) -> Iterator[Page]:
    """Yield the pages of several descriptors so that events come in order of time, cut where they must be."""
    heads = [(page, pages) for pages in streams for page in islice(pages, 1)]
    while len(heads) > 1:
        chosen = min(range(len(heads)), key=lambda place: heads[place][0]["time"][0])
        page, pages = heads[chosen]
        limit = min(other["time"][0] for place, (other, _) in enumerate(heads) if place != chosen)
        times = page["time"]
        end = next((row for row in range(1, len(times)) if times[row] > limit), len(times))
        yield page if end == len(times) else cut(page, 0, end)
        rest = next(pages, None) if end == len(times) else cut(page, end, len(times))
        heads[chosen : chosen + 1] = [] if rest is None else [(rest, pages)]
    for page, pages in heads:
        yield page
        yield from pages


def own(page: Page) -> Page:
    """Return a page that may be changed without the store's being changed."""
    result = dict(page)
    for key in ("data", "timestamps", "filled"):
        if key in page:
            result[key] = dict(page[key])
    return result
