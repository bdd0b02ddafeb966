"""A run out of documents that are all in memory: the `RunSource` of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, ClassVar

from underbutler.catalog.conflicts import canonical
from underbutler.catalog.run_store import RunHeader
from underbutler.catalog.source import Page, cut_pages, unpacked
from underbutler.errors import UsageError

__all__ = ["FileSource", "RunInMemory"]

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
        self.start: Mapping[str, Any] = {}
        self.stop: Mapping[str, Any] | None = None
        self.descriptors: dict[str, Mapping[str, Any]] = {}
        self.resources: dict[str, Mapping[str, Any]] = {}
        self.datums: dict[str, dict[str, dict[str, Any]]] = {}
        self.resource_of: dict[str, str] = {}
        pages: dict[str, _Pages] = {}
        for name, document in documents:
            if name in {"event", "event_page"}:
                uid = document["descriptor"]
                if uid not in pages:
                    pages[uid] = _Pages(uid)
                pages[uid].add(name, document)
            else:
                self._add(name, document)
        if not self.start:
            raise UsageError("These documents have no start: they are of no run.")
        self.pages: dict[str, list[Page]] = {uid: ordered(found.all()) for uid, found in pages.items()}

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
                self.datums.setdefault(document["resource"], {})[datum_id] = kwargs
                self.resource_of[datum_id] = document["resource"]


@dataclass(frozen=True)
class FileSource:
    """Reads one run of a file, whose documents are loaded when they are first asked for.

    Parameters
    ----------
    header
        Start, and stop if the run has ended.
    load
        Returns the documents, as they are now.
    """

    header: RunHeader
    load: Callable[[], RunInMemory]

    get_columns: ClassVar[None] = None

    def get_run_start(self) -> Mapping[str, Any]:
        """Return the start document."""
        return self.header.start

    def get_run_stop(self) -> Mapping[str, Any] | None:
        """Return the stop document; None while the run is open."""
        return self.load().stop if self.header.stop is None else self.header.stop

    def get_event_descriptors(self) -> list[Mapping[str, Any]]:
        """Return the descriptors."""
        return list(self.load().descriptors.values())

    def get_event_pages(self, descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
        """Return events of a descriptor as pages, by ``seq_num``."""
        return cut_pages(self.load().pages.get(descriptor_uid, ()), skip, limit)

    def get_event_count(self, descriptor_uid: str) -> int:
        """Return how many events a descriptor has."""
        return sum(len(page["uid"]) for page in self.load().pages.get(descriptor_uid, ()))

    def get_resource(self, resource_uid: str) -> Mapping[str, Any]:
        """Return a resource.

        Raises
        ------
        UnknownNameError
            If the run has none of that uid (also a `KeyError`).
        """
        resources = self.load().resources
        if resource_uid not in resources:
            raise self.header.has_no("resource", resource_uid)
        return resources[resource_uid]

    def get_resources(self) -> list[Mapping[str, Any]]:
        """Return all resources."""
        return list(self.load().resources.values())

    def lookup_resource_for_datum(self, datum_id: str) -> str:
        """Return the uid of the resource of a datum.

        Raises
        ------
        UnknownNameError
            If the run has no such datum (also a `KeyError`).
        """
        resource_of = self.load().resource_of
        if datum_id not in resource_of:
            raise self.header.has_no("datum", datum_id)
        return resource_of[datum_id]

    def get_datum_pages(self, resource_uid: str) -> Iterator[dict[str, Any]]:
        """Yield the datums of a resource as pages."""
        datums = self.load().datums.get(resource_uid, {})
        by_names: dict[tuple[str, ...], list[str]] = {}
        for datum_id, kwargs in datums.items():
            by_names.setdefault(tuple(kwargs), []).append(datum_id)
        for names, ids in by_names.items():
            columns = {name: [datums[datum_id][name] for datum_id in ids] for name in names}
            yield {"resource": resource_uid, "datum_id": ids, "datum_kwargs": columns}

    def get_datums(self, datum_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield those of some datums that the run has."""
        run = self.load()
        for datum_id in datum_ids:
            resource_uid = run.resource_of.get(datum_id)
            if resource_uid is not None:
                kwargs = run.datums[resource_uid][datum_id]
                yield {"datum_id": datum_id, "resource": resource_uid, "datum_kwargs": kwargs}


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
