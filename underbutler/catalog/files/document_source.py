"""A run out of documents that are all in memory: the `RunSource` of a file. May import errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any

from underbutler.errors import UnknownNameError, UsageError

from .searched import canonical
from .source import Page, RunSource, cut, unpacked

__all__ = ["RunInMemory"]

_PARTS = ("data", "timestamps", "filled")


class RunInMemory:
    """The documents of one run.

    Parameters
    ----------
    documents
        Names and documents, in any order. Of kinds other than the usual ones nothing is kept.

    Raises
    ------
    UsageError
        If there is no start document, or two events of one uid differ.
    """

    def __init__(self, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        self.start: Mapping[str, Any] | None = None
        self.stop: Mapping[str, Any] | None = None
        self.descriptors: dict[str, Mapping[str, Any]] = {}
        self.resources: dict[str, Mapping[str, Any]] = {}
        self._datums: dict[str, dict[str, dict[str, Any]]] = {}
        self._resource_of: dict[str, str] = {}
        pages: dict[str, _Pages] = {}
        for name, document in documents:
            if name in {"event", "event_page"}:
                uid = document["descriptor"]
                if uid not in pages:
                    pages[uid] = _Pages(uid)
                pages[uid].add(name, document)
            else:
                self._add(name, document)
        if self.start is None:
            raise UsageError("These documents have no start: they are of no run.")
        self._pages: dict[str, list[Page]] = {uid: ordered(found.all()) for uid, found in pages.items()}

    @property
    def source(self) -> RunSource:
        """What a `BlueskyRun` reads from."""
        return RunSource(
            get_run_start=self.get_run_start,
            get_run_stop=self.get_run_stop,
            get_event_descriptors=self.get_event_descriptors,
            get_event_pages=self.get_event_pages,
            get_event_count=self.get_event_count,
            get_resource=self.get_resource,
            get_resources=self.get_resources,
            lookup_resource_for_datum=self.lookup_resource_for_datum,
            get_datum_pages=self.get_datum_pages,
            get_datums=self.get_datums,
        )

    def get_run_start(self) -> Mapping[str, Any]:
        """Return the start document."""
        assert self.start is not None
        return self.start

    def get_run_stop(self) -> Mapping[str, Any] | None:
        """Return the stop document; None while the run is open."""
        return self.stop

    def get_event_descriptors(self) -> list[Mapping[str, Any]]:
        """Return the descriptors."""
        return list(self.descriptors.values())

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Yield events of a descriptor as pages, by ``seq_num``."""
        for page in self._pages.get(descriptor_uid, ()):
            count = len(page["uid"])
            if skip >= count:
                skip -= count
                continue
            end = count if limit is None else min(count, skip + limit)
            if end <= skip:
                return
            yield page if (skip, end) == (0, count) else cut(page, skip, end)
            limit = None if limit is None else limit - (end - skip)
            skip = 0

    def get_event_count(self, descriptor_uid: str) -> int:
        """Return how many events a descriptor has."""
        return sum(len(page["uid"]) for page in self._pages.get(descriptor_uid, ()))

    def get_resource(self, resource_uid: str) -> Mapping[str, Any]:
        """Return a resource.

        Raises
        ------
        UnknownNameError
            If the run has none of that uid (also a `KeyError`).
        """
        if resource_uid not in self.resources:
            raise UnknownNameError(
                f"Run {self.get_run_start()['uid']!r} has no resource {resource_uid!r}.", resource=resource_uid
            )
        return self.resources[resource_uid]

    def get_resources(self) -> list[Mapping[str, Any]]:
        """Return all resources."""
        return list(self.resources.values())

    def lookup_resource_for_datum(self, datum_id: str) -> str:
        """Return the uid of the resource of a datum.

        Raises
        ------
        UnknownNameError
            If the run has no such datum (also a `KeyError`).
        """
        if datum_id not in self._resource_of:
            raise UnknownNameError(f"Run {self.get_run_start()['uid']!r} has no datum {datum_id!r}.", datum=datum_id)
        return self._resource_of[datum_id]

    def get_datum_pages(self, resource_uid: str) -> Iterator[dict[str, Any]]:
        """Yield the datums of a resource as pages."""
        datums = self._datums.get(resource_uid, {})
        by_names: dict[tuple[str, ...], list[str]] = {}
        for datum_id, kwargs in datums.items():
            by_names.setdefault(tuple(kwargs), []).append(datum_id)
        for names, ids in by_names.items():
            columns = {name: [datums[datum_id][name] for datum_id in ids] for name in names}
            yield {"resource": resource_uid, "datum_id": ids, "datum_kwargs": columns}

    def get_datums(self, datum_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield those of some datums that the run has."""
        for datum_id in datum_ids:
            resource_uid = self._resource_of.get(datum_id)
            if resource_uid is not None:
                kwargs = self._datums[resource_uid][datum_id]
                yield {"datum_id": datum_id, "resource": resource_uid, "datum_kwargs": kwargs}

    def _add(self, name: str, document: Mapping[str, Any]) -> None:
        if name == "start":
            self.start = document
        elif name == "stop":
            self.stop = document
        elif name == "descriptor":
            self.descriptors[document["uid"]] = document
        elif name == "resource":
            self.resources[document["uid"]] = document
        elif name in {"datum", "datum_page"}:
            for datum_id, kwargs in unpacked(document):
                self._datums.setdefault(document["resource"], {})[datum_id] = kwargs
                self._resource_of[datum_id] = document["resource"]


class _Pages:
    """Gathers events of one descriptor into few pages: a page ends where other fields begin."""

    def __init__(self, descriptor_uid: str) -> None:
        self._descriptor_uid = descriptor_uid
        self._pages: list[Page] = []
        self._events: list[Mapping[str, Any]] = []

    def add(self, name: str, document: Mapping[str, Any]) -> None:
        if name == "event":
            if self._events and not _alike(self._events[-1], document):
                self._turn()
            self._events.append(document)
            return
        self._turn()
        if self._pages and _alike(self._pages[-1], document):
            _extend(self._pages[-1], document)
        else:
            empty: Page = {"descriptor": self._descriptor_uid, "uid": [], "seq_num": [], "time": []}
            empty |= {part: {key: [] for key in document.get(part, {})} for part in _PARTS}
            self._pages.append(empty)
            _extend(empty, document)

    def all(self) -> list[Page]:
        self._turn()
        return self._pages

    def _turn(self) -> None:
        if self._events:
            self._pages.append(page_of(self._descriptor_uid, self._events))
            self._events = []


def page_of(descriptor_uid: str, events: Sequence[Mapping[str, Any]]) -> Page:
    """Return events of the same fields as a page."""
    page: Page = {"descriptor": descriptor_uid}
    page |= {key: list(map(itemgetter(key), events)) for key in ("uid", "seq_num", "time")}
    for part in _PARTS:
        rows = [event.get(part, {}) for event in events]
        page[part] = {key: list(map(itemgetter(key), rows)) for key in rows[0]}
    return page


def ordered(pages: list[Page]) -> list[Page]:
    """Return pages with their events by ``seq_num``, and each event once.

    Raises
    ------
    UsageError
        If two events of one uid differ.
    """
    numbers = [number for page in pages for number in page["seq_num"]]
    uids = [uid for page in pages for uid in page["uid"]]
    if all(one <= next_one for one, next_one in pairwise(numbers)) and len(set(uids)) == len(uids):
        return pages
    events: dict[str, dict[str, Any]] = {}
    for page in pages:
        for event in rows_of(page):
            known = events.setdefault(event["uid"], event)
            if known is not event and canonical(_listed(known)) != canonical(_listed(event)):
                raise UsageError(
                    f"There are two different events of uid {event['uid']!r} in this run.", uid=event["uid"]
                )
    found = _Pages(pages[0]["descriptor"])
    for event in sorted(events.values(), key=itemgetter("seq_num", "time")):
        found.add("event", event)
    return found.all()


def rows_of(page: Page) -> Iterator[dict[str, Any]]:
    """Yield the events of a page."""
    for row, uid in enumerate(page["uid"]):
        yield {
            "descriptor": page["descriptor"],
            "uid": uid,
            "seq_num": page["seq_num"][row],
            "time": page["time"][row],
            **{part: {key: column[row] for key, column in page.get(part, {}).items()} for part in _PARTS},
        }


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(part, {}).keys() == other.get(part, {}).keys() for part in _PARTS)


def _extend(page: Page, more: Mapping[str, Any]) -> None:
    for key in ("uid", "seq_num", "time"):
        page[key].extend(more[key])
    for part in _PARTS:
        for key, column in more.get(part, {}).items():
            page[part][key].extend(column)


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_listed(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
