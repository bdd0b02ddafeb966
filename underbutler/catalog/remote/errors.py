"""Errors as they travel over HTTP: what is said of one, and what is raised of that.

``{"kind": "usage", "type": "DataGoneError", "text": …, "cure": …, "fields": {…}}``: who reads only ``text`` knows all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from underbutler.catalog import stream
from underbutler.catalog.arrays import external, filling
from underbutler.catalog.arrays import field_types as declared
from underbutler.catalog.query import queries
from underbutler.errors import FatalError, TransientError, UnderbutlerError, UsageError
from underbutler.redaction import redacted, redacted_text

__all__ = [
    "NotACatalogError",
    "RemoteFillError",
    "RemoteUnavailableError",
    "ServerVersionError",
    "described",
    "outward",
    "raised",
]

_KINDS: Final[Mapping[str, type[UnderbutlerError]]] = {
    "usage": UsageError,
    "transient": TransientError,
    "fatal": FatalError,
}

_CURES: Final = {
    "usage": "Correct the request and send it again.",
    "transient": "Send the same request again later.",
    "fatal": "Report it to the server's operator: its log says more.",
}

_LONGEST: Final = 2000
_MOST: Final = 100
"""Characters of a text, and items of a list, that are said of an error."""

_DATABASE: Final = re.compile(r"\b(?:sqlite|postgresql)(?:\+\w+)?://[^\s'\"]*[^\s'\".,:;]")
_PATH: Final = re.compile(r"(?<![\w:/.}?])/(?!runs\b)(?:[^\s/'\"(),;]+/)+([^\s/'\"(),;]*)")

_HOMES: Final = (declared, external, filling, queries, stream)
"""Imported, so that their errors are known by name."""


class RemoteUnavailableError(TransientError, ConnectionError):
    """A server of runs does not answer."""


class NotACatalogError(UsageError, ValueError):
    """What answers at a URL is not a server of runs."""


class ServerVersionError(UsageError, ValueError):
    """A server of runs speaks another version than we do."""


class RemoteFillError(filling.FillChoiceError, NotImplementedError):
    """Values cannot be delayed in documents that come over HTTP."""


def described(error: UnderbutlerError) -> dict[str, Any]:
    """Return what is said of an error over HTTP, without secrets.

    Parameters
    ----------
    error
        One of ours; its field ``cure``, if it has one, is said as the cure.
    """
    kind = next((name for name, cls in _KINDS.items() if isinstance(error, cls)), "fatal")
    fields = {name: outward(value) for name, value in error.fields.items() if name != "cure" and _is_plain(value)}
    return {
        "kind": kind,
        "type": type(error).__name__,
        "text": outward(redacted_text(str(error))),
        "cure": str(error.fields.get("cure", _CURES[kind])),
        "fields": redacted(fields),
    }


def raised(said: Any, url: str) -> UnderbutlerError:
    """Return the error that a server spoke of: of the same class as there, if we have it.

    Parameters
    ----------
    said
        What `described` returned.
    url
        Where it was said, for the text.
    """
    known = said if isinstance(said, Mapping) else {"text": str(said)}
    base = _KINDS.get(str(known.get("kind")), FatalError)
    cls = next((one for one in _family(base) if one.__name__ == known.get("type")), base)
    fields = known.get("fields")
    error = cls.__new__(cls)
    UnderbutlerError.__init__(
        error, f"{known.get('text', '')} (reported by {url})", **(fields if isinstance(fields, dict) else {})
    )
    return error


def _family(base: type[UnderbutlerError]) -> Iterator[type[UnderbutlerError]]:
    yield base
    for cls in base.__subclasses__():
        yield from _family(cls)


def outward(value: Any) -> Any:
    """Return a text as another machine may read it: no path and no database of this one, and of a bounded length.

    Parameters
    ----------
    value
        A text, a list or mapping of texts; anything else is returned as it is.
    """
    if isinstance(value, dict):
        return {name: outward(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [outward(one) for one in value[:_MOST]]
    if not isinstance(value, str):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)[:_MOST]
    text = _PATH.sub(r"…/\1", _DATABASE.sub("the server's database", value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float | bool)
