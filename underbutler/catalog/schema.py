"""What a document may look like: event-model's schemas, and what can be written at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import event_model
import numpy as np

from underbutler.errors import UsageError, suggest

__all__ = ["WRITABLE", "DocumentError", "check", "plain"]

WRITABLE: Final = ("start", "descriptor", "event", "event_page", "resource", "datum", "datum_page", "stop")
"""Kinds of documents that stores keep."""

_STREAMS: Final = " External values are kept event by event: have them written as resource and datum documents."
_INSTEAD: Final[Mapping[str, str]] = {
    "stream_resource": _STREAMS,
    "stream_datum": _STREAMS,
    "bulk_events": " This form is outdated: write event_page documents.",
    "bulk_datum": " This form is outdated: write datum_page documents.",
}
"""What is written instead of documents of some other kinds."""


class DocumentError(UsageError, ValueError):
    """A document breaks the schema of its kind."""


def plain(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a document in lists, dicts and scalars of Python; numpy's become those.

    Raises
    ------
    DocumentError
        If it is not a document of a known kind, or holds what JSON cannot.
    """
    if name not in WRITABLE:
        near = _INSTEAD.get(name) or suggest(str(name), WRITABLE)
        raise DocumentError(
            f"Documents of kind {name!r} are not kept.{near} Known: {', '.join(WRITABLE)}.",
            kind=name,
        )
    try:
        copied = json.loads(json.dumps(document, default=without_numpy))
    except (TypeError, ValueError, RecursionError) as error:
        path, reason = _unwritable(document) or ("$", str(error))
        raise _broken(name, document, path, reason) from error
    if not isinstance(copied, dict):
        raise _broken(name, {}, "$", f"a {type(document).__name__} is not a document")
    return copied


def check(name: str, document: Mapping[str, Any]) -> None:
    """Compare a document, as `plain` returns it, with the schema of its kind.

    Raises
    ------
    DocumentError
        If it breaks the schema: the text names where, as a JSON path.
    """
    if name in _SURE and _SURE[name](document):
        return
    validator = event_model.schema_validators[event_model.DocumentNames[name]]
    errors = sorted(validator.iter_errors(document), key=_rank)
    if errors:
        raise _broken(name, document, errors[0].json_path, errors[0].message)
    _check_lengths(name, document)
    _check_range(name, document)


def _rank(error: Any) -> tuple[bool, int]:
    """Put the errors first that name a place: a fault inside makes the whole look unexpected too."""
    return error.validator == "unevaluatedProperties", -len(error.absolute_path)


def _check_lengths(name: str, document: Mapping[str, Any]) -> None:
    """Refuse pages whose columns differ in length, of which the schemas say nothing."""
    if name not in {"event_page", "datum_page"}:
        return
    key = "uid" if name == "event_page" else "datum_id"
    wanted = len(document[key])
    for path, column in _columns(name, document):
        if len(column) != wanted:
            raise _broken(name, document, path, f"{len(column)} values, but {wanted} in $.{key}")


def _check_range(name: str, document: Mapping[str, Any]) -> None:
    """Refuse what orders documents if it cannot: times that are none, numbers and uids that no database holds."""
    for key, fits in _FITS.items():
        values = document.get(key, [])
        for value in values if isinstance(values, list) else [values]:
            if not fits(value):
                raise _broken(name, document, f"$.{key}", f"{value!r} cannot be kept")


def _columns(name: str, document: Mapping[str, Any]) -> Iterable[tuple[str, list[Any]]]:
    flat, nested = (
        (("seq_num", "time"), ("data", "timestamps", "filled")) if name == "event_page" else ((), ("datum_kwargs",))
    )
    for key in flat:
        yield f"$.{key}", document[key]
    for key in nested:
        for field, column in document.get(key, {}).items():
            yield f"$.{key}.{field}", column


def _broken(name: str, document: Mapping[str, Any], path: str, reason: str) -> DocumentError:
    uid = document.get("uid", document.get("datum_id")) if isinstance(document, Mapping) else None
    which = f" {uid!r}" if isinstance(uid, str) else ""
    return DocumentError(
        f"The {name} document{which} breaks its schema at {path}: {reason}. Correct it and write it again; nothing of "
        "it was kept.",
        kind=name,
        path=path,
        uid=uid,
    )


def without_numpy(value: object) -> object:
    """Return what JSON knows of an array, a scalar of NumPy or a mapping.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _unwritable(value: object, path: str = "$") -> tuple[str, str] | None:
    """Return where the first value is that JSON cannot hold, and what it is."""
    items: Iterable[tuple[object, object]]
    if isinstance(value, Mapping):
        items = ((key, item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    elif value is None or isinstance(value, str | int | float | np.ndarray | np.generic):
        return None
    else:
        return path, f"a {type(value).__name__} cannot be written as JSON"
    for key, item in items:
        here = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}"
        if isinstance(value, Mapping) and not isinstance(key, str):
            return here, "keys are strings"
        if found := _unwritable(item, here):
            return found
    return None


# Events and datums come by the thousand, and jsonschema takes 0.1 to 0.4 ms for each. What these say yes to is valid;
# what they do not is looked at by the schema.

_EVENT = frozenset({"descriptor", "seq_num", "uid", "data", "time", "timestamps"})
_DATUM = frozenset({"datum_id", "datum_kwargs", "resource"})


def _is_event(document: Mapping[str, Any]) -> bool:
    filled = document.get("filled", {})
    return (
        document.keys() - {"filled"} == _EVENT
        and type(document["descriptor"]) is str
        and document["descriptor"].isprintable()
        and type(document["uid"]) is str
        and document["uid"].isprintable()
        and type(document["seq_num"]) is int
        and _is_counted(document["seq_num"])
        and type(document["time"]) in {int, float}
        and math.isfinite(document["time"])
        and type(document["data"]) is dict
        and type(document["timestamps"]) is dict
        and type(filled) is dict
        and all(type(value) in {bool, str} for value in filled.values())
    )


def _is_datum(document: Mapping[str, Any]) -> bool:
    return (
        document.keys() == _DATUM
        and type(document["datum_id"]) is str
        and document["datum_id"].isprintable()
        and type(document["resource"]) is str
        and document["resource"].isprintable()
        and type(document["datum_kwargs"]) is dict
    )


def _is_counted(number: int) -> bool:
    return abs(number) < 2**63


_FITS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "time": math.isfinite,
    "seq_num": _is_counted,
    "uid": str.isprintable,
    "run_start": str.isprintable,
    "descriptor": str.isprintable,
    "resource": str.isprintable,
    "datum_id": str.isprintable,
}
_SURE: Final = {"event": _is_event, "datum": _is_datum}
