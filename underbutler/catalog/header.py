"""A run as version 1 of the interface shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from underbutler.errors import UnknownNameError

from .documents import Descriptor, Start, Stop
from .files.document_source import rows_of
from .presentation import run_html
from .query.queries import zone_of
from .run import BlueskyRun
from .source import Page, unpacked
from .stream import SelectionError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["ALL", "FieldNames", "Header", "HeaderSource"]

ALL: Final = "*"
"""Every stream."""

FieldNames: TypeAlias = Iterable[str] | None
"""Regular expressions of whole names of fields; None: all fields of the stream."""

_KEYS: Final = ("start", "descriptors", "stop")


class HeaderSource(Protocol):
    """Where headers come from: a `v1.Broker`."""

    @property
    def name(self) -> str | None:
        """What the catalogue is called."""

    def __getitem__(self, key: Any) -> Any:
        """Return the header of a run, or a list of them."""


class Header:
    """One run: its documents, and tables of its streams.

    Where ``fields`` are named, the configuration of devices and the start and stop documents give their values too.

    Parameters
    ----------
    db
        Where it comes from.
    run
        The run.
    """

    def __init__(self, db: HeaderSource, run: BlueskyRun) -> None:
        self.db = db
        self._run = run

    @property
    def start(self) -> Start:
        """The start document."""
        return self._run.start

    @property
    def stop(self) -> Stop | dict[str, Any]:
        """The stop document; empty while the run is open."""
        return self._run.stop or {}

    @property
    def uid(self) -> str:
        """The run's uid."""
        return self._run.uid

    @property
    def descriptors(self) -> list[Descriptor]:
        """The descriptors, newest first."""
        return list(reversed(self._run.descriptors))

    @property
    def stream_names(self) -> list[str]:
        """The names of the streams."""
        return list(self._run)

    def fields(self, stream_name: str = ALL) -> set[str]:
        """Return the names of the fields of one stream, or of all."""
        return {key for descriptor in self._of(stream_name) for key in descriptor["data_keys"]}

    def devices(self, stream_name: str = ALL) -> set[str]:
        """Return the names of the devices of one stream, or of all."""
        return {name for descriptor in self._of(stream_name) for name in descriptor.get("object_keys", {})}

    def config_data(self, device_name: str) -> dict[str, list[dict[str, Any]]]:
        """Return the configurations of a device, in the order of time, by stream."""
        found: dict[str, list[dict[str, Any]]] = {}
        for descriptor in self._run.descriptors:
            configuration = descriptor.get("configuration", {}).get(device_name)
            if configuration:
                found.setdefault(descriptor.get("name", "primary"), []).append(configuration["data"])
        return found

    def documents(
        self, stream_name: str = ALL, fields: FieldNames = None, fill: bool = False
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield names and documents: of one stream, or of all; events and datums one by one.

        Parameters
        ----------
        stream_name
            Of which stream.
        fields
            Regular expressions of the fields that are wanted; all when None.
        fill
            Whether external values are loaded.
        """
        chosen = {descriptor["uid"]: _Choice(self, descriptor, fields) for descriptor in self._of(stream_name)}
        for name, document in self._narrowed(chosen, fields, fill).documents(fill="yes" if fill else "no"):
            if name == "descriptor":
                if document["uid"] in chosen:
                    yield name, chosen[document["uid"]].of_descriptor(document)
            elif name == "event_page":
                if document["descriptor"] in chosen:
                    page = chosen[document["descriptor"]].of_page(document)
                    yield from (("event", event) for event in rows_of(page))
            elif name == "datum_page":
                for datum_id, kwargs in unpacked(document):
                    yield "datum", {"datum_id": datum_id, "resource": document["resource"], "datum_kwargs": kwargs}
            else:
                yield name, document

    def events(
        self, stream_name: str = "primary", fields: FieldNames = None, fill: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the events of a stream; see `documents`."""
        return (dict(document) for name, document in self.documents(stream_name, fields, fill) if name == "event")

    def data(self, field: str, stream_name: str = "primary", fill: bool = True) -> Iterator[Any]:
        """Yield the values of one field, event by event.

        Raises
        ------
        UnknownNameError
            If there is no such field (also a `KeyError`).
        """
        for event in self.events(stream_name, [re.escape(field)], fill):
            if field not in event["data"]:
                raise UnknownNameError.of(f"field of stream {stream_name}", field, self.fields(stream_name))
            yield event["data"][field]

    def table(
        self,
        stream_name: str = "primary",
        fields: FieldNames = None,
        fill: bool = False,
        timezone: str | None = None,
        convert_times: bool = True,
        localize_times: bool = True,
    ) -> pd.DataFrame:
        """Return a stream as a table: one row per event, with ``seq_num`` as index, ``time``, and the fields.

        Parameters
        ----------
        stream_name, fields, fill
            As `documents` takes them.
        timezone
            Zone in which times are shown; default UTC.
        convert_times
            Whether times are dates; else seconds since 1970 UTC.
        localize_times
            Whether dates are those of the zone, without saying so; else they carry the zone.
        """
        import pandas as pd

        chosen = {descriptor["uid"]: _Choice(self, descriptor, fields) for descriptor in self._of(stream_name)}
        run = self._narrowed(chosen, fields, fill)
        tables = []
        for name, page in run.documents(fill="yes" if fill else "no", strict_order=False):
            if name == "event_page" and page["descriptor"] in chosen:
                part = chosen[page["descriptor"]].of_page(page)
                times = pd.Series(part["time"], index=part["seq_num"], dtype=float)
                columns = {key: pd.Series(list(values), index=part["seq_num"]) for key, values in part["data"].items()}
                tables.append(pd.DataFrame({"time": times, **{k: v for k, v in columns.items() if k != "time"}}))
        if not tables:
            names = {name: None for choice in chosen.values() for name in choice.names()}
            tables = [pd.DataFrame({"time": pd.Series(dtype=float), **dict.fromkeys(names, pd.Series(dtype=float))})]
        table = pd.concat(tables)
        table.index.name = "seq_num"
        if convert_times or localize_times:
            dates = pd.to_datetime(table["time"], unit="s", utc=True).dt.tz_convert(zone_of(timezone or "UTC"))
            table["time"] = dates.dt.tz_localize(None) if localize_times else dates
        return table

    def xarray(self, stream_name: str = "primary") -> xr.Dataset:
        """Return a stream as arrays."""
        return self._run[stream_name].read()

    def xarray_dask(self, stream_name: str = "primary") -> xr.Dataset:
        """Return a stream as arrays that are computed when they are needed."""
        return self._run[stream_name].to_dask()

    def keys(self) -> Iterator[str]:
        """Return the names of its documents."""
        return iter(_KEYS)

    __iter__ = keys

    def __getitem__(self, key: str) -> Any:
        if key not in _KEYS:
            raise UnknownNameError.of("part of a header", key, _KEYS)
        return getattr(self, key)

    def __eq__(self, other: object) -> bool:
        return self.start == other.start if isinstance(other, Header) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.uid)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of run {self.uid!r}>"

    def _repr_html_(self) -> str:
        return run_html(self._run)

    def _of(self, stream_name: str) -> list[Descriptor]:
        return [
            descriptor
            for descriptor in self._run.descriptors
            if stream_name in {ALL, descriptor.get("name", "primary")}
        ]

    def _narrowed(self, chosen: Mapping[str, _Choice], fields: FieldNames, fill: bool) -> BlueskyRun:
        """Return the run without what is not wanted, so that it is not loaded."""
        run = self._run
        if not fill or type(run) is not BlueskyRun or (fields is None and len(chosen) == len(run.descriptors)):
            return run
        source = run.source

        def descriptors() -> list[Descriptor]:
            all_of_them = source.get_event_descriptors()
            return [chosen[one["uid"]].of_descriptor(one) for one in all_of_them if one["uid"] in chosen]

        def pages(descriptor_uid: str, skip: int = 0, limit: int | None = None) -> Iterator[Page]:
            return map(chosen[descriptor_uid].of_fields, source.get_event_pages(descriptor_uid, skip, limit))

        return run.configure_new(get_event_descriptors=descriptors, get_event_pages=pages, get_columns=None)


class _Choice:
    """What is wanted of the events of a descriptor."""

    def __init__(self, header: Header, descriptor: Descriptor, fields: FieldNames) -> None:
        if isinstance(fields, str):
            raise SelectionError(f"fields={fields!r} is one name. Write a list: fields=[{fields!r}].")
        names = descriptor["data_keys"]
        self._keys = list(names)
        if fields is None:
            self._names = set(names)
            self._more: dict[str, Any] = {}
            return
        wanted = re.compile("|".join(f"(?:{field})" for field in fields) or r"(?!)")
        self._names = {name for name in names if wanted.fullmatch(name)}
        self._more = {}
        devices = [device.get("data", {}) for device in descriptor.get("configuration", {}).values()]
        for given in (*devices, header.start, header.stop):
            for name, value in given.items():
                if wanted.fullmatch(name) and name not in self._names:
                    self._more.setdefault(name, value)

    def names(self) -> list[str]:
        """Return the names of the columns beside the time."""
        return [name for name in self._keys if name in self._names and name != "time"] + list(self._more)

    def of_descriptor(self, descriptor: Mapping[str, Any]) -> Descriptor:
        keys = {name: said for name, said in descriptor["data_keys"].items() if name in self._names}
        return Descriptor({**descriptor, "data_keys": keys})

    def of_page(self, page: Mapping[str, Any]) -> Page:
        part = self.of_fields(page)
        for name, value in self._more.items():
            part["data"][name] = [value] * len(page["uid"])
            part["timestamps"][name] = part["time"]
        return part

    def of_fields(self, page: Mapping[str, Any]) -> Page:
        part: Page = dict(page)
        for key in ("data", "timestamps", "filled"):
            part[key] = {name: column for name, column in page.get(key, {}).items() if name in self._names}
        return part
