"""External values: from the datum id in an event to an array."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import event_model
import numpy as np

from underbutler.catalog.documents import Resource
from underbutler.catalog.source import RunSource, datums_of, unpacked
from underbutler.catalog.transforms import Transform, transformed
from underbutler.errors import LostDatasetError, TransientError, UnderbutlerError, UsageError, suggest

from .field_types import Declared
from .filling import Fillers, known_specs

__all__ = [
    "DataAwayError",
    "DataGoneError",
    "ExternalData",
    "NoHandlerError",
    "Place",
    "UnreadableDataError",
    "UnresolvedDatumError",
]


class NoHandlerError(UsageError, event_model.UndefinedAssetSpecification):
    """No handler is known for the spec of a resource."""


class DataGoneError(UsageError, event_model.DataNotAccessible):
    """An external file is not there."""


class DataAwayError(TransientError, event_model.DataNotAccessible):
    """The store of an external file does not answer."""


class UnreadableDataError(UsageError, event_model.EventModelValueError):
    """An external file is there, and its handler cannot read it."""


class UnresolvedDatumError(UsageError, event_model.EventModelValueError):
    """An event points to a datum, or a datum to a resource, that the run does not have."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a value is, for errors to say."""

    key: str
    stream: str
    seq_num: int
    uid: str

    def __str__(self) -> str:
        return f"Field {self.key!r} of event {self.seq_num} of stream {self.stream!r} (uid {self.uid})"


@dataclass(frozen=True, slots=True)
class FoundDatum:
    """Where in which resource."""

    resource: str
    kwargs: dict[str, Any]


class ExternalData:
    """Finds and loads what events point to. Pickles as far as its source and handlers do, without what it has found.

    Parameters
    ----------
    source
        Where resources and datums come from.
    fillers
        The run's fillers.
    transform
        Patches resources.
    """

    def __init__(self, source: RunSource, fillers: Fillers, transform: Transform) -> None:
        self._source = source
        self.fillers = fillers
        self._transform = transform
        self._datums: dict[str, FoundDatum] = {}
        self._resources: dict[str, Resource] = {}
        self._finding = threading.RLock()

    def __getstate__(self) -> tuple[Any, ...]:
        return self._source, self.fillers, self._transform

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc]  # as new: nothing found yet

    def resource(self, uid: str) -> Resource | None:
        """Return a resource of the run, as its transform makes it; None if there is none."""
        if uid not in self._resources:
            try:
                document = self._source.get_resource(uid)
            except LookupError:
                return None
            if document is None:
                return None
            self._resources[uid] = transformed(document, Resource, self._transform)
        return self._resources[uid]

    def resources(self) -> Iterator[Resource]:
        """Yield every resource of the run once, as its transform makes it."""
        seen = set()
        for document in self._source.get_resources():
            if document["uid"] not in seen:
                seen.add(document["uid"])
                yield self._resources.setdefault(document["uid"], transformed(document, Resource, self._transform))

    def find(self, datum_ids: Iterable[str]) -> dict[str, FoundDatum]:
        """Return where these datums are; those that the run does not have are left out."""
        with self._finding:
            wanted = list(dict.fromkeys(datum_ids))
            missing = [datum_id for datum_id in wanted if datum_id not in self._datums]
            if missing:
                self._look_up(missing)
            return {datum_id: self._datums[datum_id] for datum_id in wanted if datum_id in self._datums}

    def prepare(self, datum_ids: Iterable[str]) -> None:
        """Look up datums, and their resources, that are going to be loaded: together, not one by one."""
        uids = {datum.resource for datum in self.find(datum_ids).values()}
        if len(uids - self._resources.keys()) > 1:
            for _ in self.resources():
                pass

    def load(self, datum_id: str, descriptor: Mapping[str, Any], place: Place) -> np.ndarray[Any, Any]:
        """Return the value that a datum id stands for.

        Parameters
        ----------
        datum_id
            What the event holds.
        descriptor
            The event's descriptor.
        place
            Where the event is, for errors.

        Raises
        ------
        NoHandlerError
            If its spec has no handler.
        DataGoneError, DataAwayError, UnreadableDataError
            If the handler cannot open or read it.
        UnresolvedDatumError
            If the datum, or its resource, is not in the run.
        """
        datum, resource = self.resolve(datum_id, place)
        filler = self.fillers.of_spec(resource["spec"])
        event = {
            "uid": place.uid,
            "seq_num": place.seq_num,
            "time": 0.0,
            "descriptor": descriptor["uid"],
            "data": {place.key: datum_id},
            "timestamps": {place.key: 0.0},
            "filled": {place.key: False},
        }
        with self.fillers.lock(resource["uid"]):
            filler("descriptor", descriptor)
            filler("resource", resource)
            filler("datum", {"datum_id": datum_id, "resource": resource["uid"], "datum_kwargs": datum.kwargs})
            try:
                return np.asarray(filler("event", event)[1]["data"][place.key])
            except event_model.UndefinedAssetSpecification as error:
                raise no_handler(filler, resource, place) from error
            except Exception as error:
                raise explained(error, filler, resource, place) from error

    def delayed(self, datum_id: str, declared: Declared, place: Place) -> Any:
        """Return the dask array that a handler with a method ``delayed`` gives for a datum id.

        Parameters
        ----------
        datum_id
            What the event holds.
        declared
            What the descriptor says of the field.
        place
            Where the event is, for errors.

        Raises
        ------
        FieldError
            If it has another shape than was declared.
        DataGoneError, DataAwayError, UnreadableDataError, UnresolvedDatumError
            As `load` raises them.
        """
        datum, resource = self.resolve(datum_id, place)
        filler = self.fillers.of_spec(resource["spec"])
        with self.fillers.lock(resource["uid"]):
            try:
                array = filler.get_handler(resource).delayed(**datum.kwargs)
            except Exception as error:
                raise explained(error, filler, resource, place) from error
        declared.check_shape(array.shape, f"event {place.seq_num}")
        wrong = declared.dtype is not None and array.dtype != declared.dtype
        return array.astype(declared.dtype) if wrong else array

    def resolve(self, datum_id: str, place: Place) -> tuple[FoundDatum, Resource]:
        """Return a datum and its resource.

        Raises
        ------
        UnresolvedDatumError
            If the run does not have one of them.
        """
        found = self.find([datum_id]).get(datum_id)
        if found is None:
            raise UnresolvedDatumError(
                f"{place} points to datum {datum_id!r}, and the run has no such datum. The run was recorded or copied "
                f"incompletely. Read the other fields with exclude=[{place.key!r}].",
                datum_id=datum_id,
                field=place.key,
            )
        resource = self.resource(found.resource)
        if resource is None:
            raise UnresolvedDatumError(
                f"{place} points to datum {datum_id!r} of resource {found.resource!r}, and the run has no such "
                f"resource. The run was recorded or copied incompletely. Read the others with exclude=[{place.key!r}].",
                datum_id=datum_id,
                resource=found.resource,
                field=place.key,
            )
        return found, resource

    def _look_up(self, datum_ids: Sequence[str]) -> None:
        if self._source.get_datums is not None:
            for datum in self._source.get_datums(datum_ids):
                for datum_id, kwargs in unpacked(datum):
                    self._datums[datum_id] = FoundDatum(datum["resource"], kwargs)
            return
        read: set[str] = set()
        for datum_id in datum_ids:
            if datum_id in self._datums:
                continue
            try:
                uid = self._source.lookup_resource_for_datum(datum_id)
            except LookupError:
                continue
            if uid is None or uid in read:
                continue
            read.add(uid)  # a resource at a time: its datums are wanted together
            for found_id, kwargs in datums_of(self._source, uid):
                self._datums[found_id] = FoundDatum(uid, kwargs)


def location(resource: Mapping[str, Any], root_map: Mapping[str, str]) -> str:
    """Return the path or URL of a resource, where its root is now."""
    root = resource.get("root", "")
    root = root_map.get(root, root)
    return os.path.join(root, str(resource["resource_path"]))  # noqa: PTH118 - as event-model joins it: a root may be a URL


def no_handler(filler: Any, resource: Mapping[str, Any], place: Place | None) -> NoHandlerError:
    """Return the error of a spec that has no handler, with those that have one and the ways to register one."""
    spec, known = resource["spec"], known_specs(filler)
    url = _url(filler, resource)
    what = f"Resource {resource['uid']} is {url}" if place is None else f"{place} is in {url}"
    return NoHandlerError(
        f"{what}, whose spec {spec!r} has no handler.{suggest(spec, known)} "
        f"Known: {', '.join(known) or 'none'}. Register one with "
        f"underbutler.catalog.register_handler({spec!r}, Handler), Broker(…, handler_registry={{{spec!r}: Handler}}) "
        "or install a package that offers it in the entry-point group 'databroker.handlers' or 'underbutler.handlers'.",
        spec=spec,
        known=known,
        field=None if place is None else place.key,
    )


def _url(filler: Any, resource: Mapping[str, Any]) -> str:
    return location(resource, getattr(filler, "root_map", {}))


def explained(error: Exception, filler: Any, resource: Mapping[str, Any], place: Place) -> UnderbutlerError:
    """Return what an error of a handler means, with event and URL."""
    url = _url(filler, resource)
    reason: BaseException = error
    if isinstance(error, event_model.EventModelError) and error.__cause__ is not None:
        reason = error.__cause__
    fields = {"field": place.key, "event": place.uid, "url": url, "spec": resource["spec"]}
    without = f"Read the other fields with exclude=[{place.key!r}]"
    said = f"{type(reason).__name__}: {reason}"
    if isinstance(reason, TransientError | ConnectionError | TimeoutError):
        return DataAwayError(
            f"{place} cannot be read now: {url} does not answer ({said}). Try again later. {without}.", **fields
        )
    if isinstance(reason, FileNotFoundError | LostDatasetError) or _is_gone(reason):
        return DataGoneError(
            f"{place} cannot be read: {url} is gone ({said}). {without}, or say where its files are now with root_map.",
            **fields,
        )
    return UnreadableDataError(
        f"{place} cannot be read: the handler of spec {resource['spec']!r} fails on {url} ({said}). {without}, or "
        "register another handler.",
        **fields,
    )


def _is_gone(reason: BaseException) -> bool:
    """Tell whether a store said that there is no such object, in boto3's words."""
    response = getattr(reason, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return code in {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
