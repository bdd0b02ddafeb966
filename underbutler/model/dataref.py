"""The data reference: what a target reads, and where its outputs go, as a serializable value."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from underbutler.errors import MessageError, UsageError

if TYPE_CHECKING:
    pass

__all__ = [
    "MESSAGE_VERSION",
    "READABLE_VERSIONS",
    "DataId",
    "DataIdValue",
    "DataRef",
    "human_data_id",
    "human_data_ids",
]

DataIdValue: TypeAlias = int | str
DataId: TypeAlias = Mapping[str, DataIdValue]

MESSAGE_VERSION = 1
"""Version of the message that is written. Raised by whatever a worker of the release before would misread."""

_SHOWN_VALUES = 3
"""So many values of one dimension are named; of more their bounds and number."""

READABLE_VERSIONS = frozenset(range(max(1, MESSAGE_VERSION - 1), MESSAGE_VERSION + 1))
"""Versions that a worker of this release reads: the current one and, from version 2 on, the one before it.

So an upgrade has an order, workers first and then submitters, and no moment at which all must stop. In the other order
nothing is lost either: a worker lets a message of a later version wait for another worker.
"""


@dataclass(frozen=True)
class DataRef:
    """What one target reads and where its outputs go.

    A plain value: it compares, hashes, pickles and travels as JSON. In a worker (or in ``underbutler run``) it is bound
    to a butler, and only then `get`, `put` and the others work; see `underbutler.butlers.BoundDataRef`. Pickling or
    encoding a bound reference gives the plain value.

    Parameters
    ----------
    repo
        Label of the repository that is read.
    data_id
        Dimension names and values, e.g. ``{"instrument": "STE3", "exposure": 20130713005733, "detector": 0}``.
    collections
        Collections that `get` searches, in this order.
    run
        RUN collection that `put` writes to; None for a reference that only reads.
    dataset_type
        Dataset type that `get` and `put` mean when they are given none.
    out
        Label of the writeable repository that holds `run`; default `repo`. A remote repository cannot be written, so
        that a reference to one has another label here.
    universe
        Namespace and version of the dimension universe that the data ID was expanded in.
    """

    repo: str
    data_id: DataId = field(default_factory=dict)
    _: KW_ONLY
    collections: tuple[str, ...] = ()
    run: str | None = None
    dataset_type: str | None = None
    out: str = ""
    universe: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        for key, value in self.data_id.items():
            if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, int | str):
                raise UsageError(
                    f"Data ID value {key}={value!r} is a {type(value).__name__}; give an int or a str.",
                    key=key,
                    value=value,
                )
        object.__setattr__(self, "data_id", MappingProxyType(dict(self.data_id)))
        object.__setattr__(self, "collections", tuple(self.collections))
        object.__setattr__(self, "out", self.out or self.repo)
        if self.universe is not None:
            namespace, version = self.universe
            object.__setattr__(self, "universe", (namespace, version))

    def __hash__(self) -> int:
        return hash((self.repo, frozenset(self.data_id.items()), self.collections, self.run, self.dataset_type))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataRef) and self.to_json() == other.to_json()

    def __reduce__(self) -> tuple[Any, ...]:
        return (DataRef.from_json, (self.to_json(),))

    def __str__(self) -> str:
        return human_data_id(self.data_id)

    @property
    def dataId(self) -> dict[str, DataIdValue]:
        """The data ID as a dict of one's own (Gen2 spelling)."""
        return dict(self.data_id)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that travels in a message."""
        return {
            "v": MESSAGE_VERSION,
            "repo": self.repo,
            "out": self.out,
            "dataset_type": self.dataset_type,
            "data_id": dict(self.data_id),
            "collections": list(self.collections),
            "run": self.run,
            "universe": None if self.universe is None else list(self.universe),
        }

    @classmethod
    def from_json(cls, document: object) -> Self | DataRef:
        """Build a reference from its JSON form.

        Raises
        ------
        MessageError
            If the document is of another version, or is not a reference.
        """
        if not isinstance(document, Mapping):
            raise MessageError(f"A data reference is a JSON object, not a {type(document).__name__}.")
        version = document.get("v")
        if version not in READABLE_VERSIONS:
            raise MessageError(
                f"The data reference is of version {version!r}; this worker reads {sorted(READABLE_VERSIONS)}. "
                "Upgrade workers before submitters.",
                version=version,
            )
        try:
            return DataRef(
                _text(document, "repo"),
                _data_id(document.get("data_id")),
                collections=_texts(document, "collections"),
                run=_optional_text(document, "run"),
                dataset_type=_optional_text(document, "dataset_type"),
                out=_text(document, "out"),
                universe=_universe(document.get("universe")),
            )
        except UsageError as error:
            raise MessageError(f"The data reference does not decode: {error}") from error

    def replaced(self, **changes: Any) -> DataRef:
        """Return a plain reference with some fields changed."""
        document = self.to_json() | changes
        return DataRef.from_json(document)

    # What only a bound reference can do. The names are the Gen2 reference's, and snake_case twins of them.

    def get(self, datasetType: str | None = None, **rest: DataIdValue) -> Any:
        """Read a dataset; `rest` are extra data ID values."""
        raise self._unbound("get")

    def put(self, obj: Any, datasetType: str | None = None, **rest: DataIdValue) -> uuid.UUID:
        """Write a dataset to `run` and return its UUID; `rest` are extra data ID values."""
        raise self._unbound("put")

    def dataset_exists(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> bool:
        """Tell whether a dataset exists; with `write` look only in `run`."""
        raise self._unbound("dataset_exists")

    def get_uri(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> str:
        """Return the URI of a dataset's artifact; with `write` where it would be put."""
        raise self._unbound("get_uri")

    def sub_items(self, level: str | None = None) -> list[DataRef]:
        """Return references of all existing data IDs that are finer by the dimension `level`, sorted."""
        raise self._unbound("sub_items")

    def instrument_map(self) -> Any:
        """Return how raw headers of the reference's instrument are read, None if nothing says it."""
        raise self._unbound("instrument_map")

    def getButler(self) -> Any:
        """Return the butler that the reference is bound to."""
        raise self._unbound("getButler")

    def datasetExists(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> bool:
        """Gen2 spelling of `dataset_exists`."""
        return self.dataset_exists(datasetType, write, **rest)

    def getUri(self, datasetType: str | None = None, write: bool = False, **rest: DataIdValue) -> str:
        """Gen2 spelling of `get_uri`."""
        return self.get_uri(datasetType, write, **rest)

    def subItems(self, level: str | None = None) -> list[DataRef]:
        """Gen2 spelling of `sub_items`."""
        return self.sub_items(level)

    def _unbound(self, method: str) -> UsageError:
        return UsageError(
            f"DataRef.{method} needs a butler, and the reference {self} is not bound to one. "
            "It is bound inside a task; elsewhere use underbutler.butlers.bind(ref, butler).",
            method=method,
        )


def human_data_id(data_id: DataId) -> str:
    """Return ``exposure=20130713005733 detector=0 instrument='STE3'``: what people see in tables and in Flower."""
    keys = [key for key in data_id if key != "instrument"]
    keys += [key for key in data_id if key == "instrument"]
    return " ".join(f"{key}={data_id[key]!r}" for key in keys)


def human_data_ids(data_ids: Sequence[DataId]) -> str:
    """Return several data IDs in words: what they share as it is, and of what differs the values or their bounds."""
    if len(data_ids) == 1:
        return human_data_id(data_ids[0])
    keys = list(dict.fromkeys(key for data_id in data_ids for key in data_id))
    keys.sort(key=lambda key: key == "instrument")
    return " ".join(f"{key}={_human_values([data_id[key] for data_id in data_ids if key in data_id])}" for key in keys)


def _human_values(values: Sequence[DataIdValue]) -> str:
    distinct = list(dict.fromkeys(values))
    if len(distinct) == 1:
        return repr(distinct[0])
    if len(distinct) <= _SHOWN_VALUES:
        return "^".join(map(str, distinct))
    ordered = sorted(distinct, key=lambda value: (isinstance(value, str), value))
    return f"{ordered[0]}..{ordered[-1]} ({len(distinct)} values)"


def _text(document: Mapping[str, object], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise MessageError(f"its field {key!r} is {value!r} and should be a text.", field=key)
    return value


def _optional_text(document: Mapping[str, object], key: str) -> str | None:
    return None if document.get(key) is None else _text(document, key)


def _texts(document: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = document.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise MessageError(f"its field {key!r} is {values!r} and should be a list of texts.", field=key)
    return tuple(values)


def _data_id(value: object) -> DataId:
    if not isinstance(value, Mapping):
        raise MessageError(f"its field 'data_id' is {value!r} and should be an object.", field="data_id")
    return value


def _universe(value: object) -> tuple[str, int] | None:
    match value:
        case None:
            return None
        case [str() as namespace, int() as version]:
            return namespace, version
    raise MessageError(f"its field 'universe' is {value!r} and should be [namespace, version].", field="universe")
