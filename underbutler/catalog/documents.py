"""The documents of a run: dictionaries that cannot be changed, one class per kind."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

from dask.tokenize import normalize_token

from underbutler.errors import UsageError

__all__ = [
    "KINDS",
    "Datum",
    "DatumPage",
    "Descriptor",
    "Document",
    "Event",
    "EventPage",
    "NotMutable",
    "Resource",
    "Start",
    "Stop",
]

Token: TypeAlias = tuple[str, Any]


class NotMutable(UsageError, TypeError):  # noqa: N818 - the seed's name
    """A document cannot be changed."""


class Document(dict[str, Any]):
    """An immutable `dict`.

    It is not immutable all the way down, as a tuple of lists is not: what it holds may be changed, and should not be.
    `to_dict` gives a deep copy that may.

    A subclass defines ``__dask_tokenize__``: what tells one document from another for dask, which may be less than all
    of its content. Immutability keeps two unequal documents from having one token.

    Raises
    ------
    NotMutable
        From every way to change it.
    NotImplementedError
        When dask asks for a token and the class does not define ``__dask_tokenize__``.
    """

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if self:  # called a second time, it would be one more way to change it
            self._refuse()
        super().__init__(*args, **kwargs)

    @classmethod
    def fromkeys(cls, keys: Iterable[str], value: Any = None, /) -> Document:  # type: ignore[override]
        """Return a document that has these keys."""
        return cls(dict.fromkeys(keys, value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print for IPython: one key a line."""
        name = type(self).__name__
        if cycle:
            printer.text(f"{name}(...)")
            return
        with printer.group(len(name) + 1, f"{name}(", ")"):
            printer.pretty(dict(self))

    def to_dict(self) -> dict[str, Any]:
        """Return a deep copy that may be changed."""
        return copy.deepcopy(dict(self))

    def copy(self) -> dict[str, Any]:
        """Return a shallow copy that may be changed: a plain `dict`, as consumers of documents expect."""
        return dict(self)

    def __copy__(self) -> Document:
        return self  # like a tuple: what cannot change need not be copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Document:
        return type(self)(copy.deepcopy(dict(self), memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __dask_tokenize__(self) -> Token:
        raise NotImplementedError(f"{type(self).__name__} is a Document and must define __dask_tokenize__.")

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise NotMutable(
            f"A document of a run cannot be changed. Change a copy: `{type(self).__name__.lower()}.to_dict()`.",
            kind=type(self).__name__,
        )

    __setitem__ = _refuse
    __delitem__ = _refuse
    __ior__ = _refuse
    clear = _refuse
    pop = _refuse
    popitem = _refuse
    setdefault = _refuse
    update = _refuse


def _token(document: Document) -> Token:
    return document.__dask_tokenize__()


# Else dask takes a document for the dict that it is, and hashes all of it.
normalize_token.register(Document, _token)


class _Identified(Document):
    """A document that its ``uid`` tells from all others of its kind."""

    __slots__ = ()

    def __dask_tokenize__(self) -> Token:
        return type(self).__name__.lower(), self["uid"]


class Start(_Identified):
    """Opens a run: who, what, when."""

    __slots__ = ()


class Stop(_Identified):
    """Closes a run: how it ended."""

    __slots__ = ()


class Descriptor(_Identified):
    """Describes the data keys of one stream's events."""

    __slots__ = ()


class Event(_Identified):
    """One reading of a stream."""

    __slots__ = ()


class EventPage(Document):
    """Several events of one descriptor, column by column."""

    __slots__ = ()

    def __dask_tokenize__(self) -> Token:
        return "eventpage", tuple(self["uid"])


class Resource(_Identified):
    """An external file, or something like one."""

    __slots__ = ()


class Datum(Document):
    """Where in a resource one value is."""

    __slots__ = ()

    def __dask_tokenize__(self) -> Token:
        return "datum", self["datum_id"]


class DatumPage(Document):
    """Several datums of one resource, column by column."""

    __slots__ = ()

    def __dask_tokenize__(self) -> Token:
        return "datumpage", tuple(self["datum_id"])


KINDS: dict[str, type[Document]] = {
    "start": Start,
    "stop": Stop,
    "descriptor": Descriptor,
    "event": Event,
    "event_page": EventPage,
    "resource": Resource,
    "datum": Datum,
    "datum_page": DatumPage,
}
"""The class of each kind of document, by its name in ``(name, document)`` pairs."""
