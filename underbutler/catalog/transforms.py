"""Transforms: what patches the documents of a run while they are read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from underbutler.errors import UsageError, suggest

from .documents import KINDS, Document
from .import_path import load_object

__all__ = [
    "TRANSFORMED",
    "Transform",
    "TransformKeyError",
    "TransformResultError",
    "TransformsTypeError",
    "parse_transforms",
    "transformed",
    "unchanged",
]

Transform: TypeAlias = Callable[[Any], Any]
D = TypeVar("D", bound=Document)

TRANSFORMED = ("start", "stop", "resource", "descriptor")
"""Kinds of documents that can be transformed."""

_KEPT = ("uid", "run_start", "data_keys", "spec", "resource_path")
"""Keys without which no document can be used: what a document had of them, it has after its transform."""


class TransformKeyError(UsageError, NotImplementedError):
    """Documents of this kind cannot be transformed."""


class TransformsTypeError(UsageError, ValueError):
    """Transforms are a mapping of kinds of documents to functions."""


class TransformResultError(UsageError, TypeError):
    """A transform did not return a document."""


class Draft(dict[str, Any]):
    """A copy of a document that may be changed: what a transform is given."""

    def to_dict(self) -> dict[str, Any]:
        """Return a deep copy, as a document does."""
        return copy.deepcopy(dict(self))


def unchanged(document: Any) -> Any:
    """Return the document: the transform of kinds for which none is given."""
    return document


def parse_transforms(transforms: Mapping[str, Transform | str] | None) -> dict[str, Transform]:
    """Return a transform for each of `TRANSFORMED`.

    Parameters
    ----------
    transforms
        Functions, or import paths of functions, by any of these kinds.

    Raises
    ------
    TransformsTypeError
        If they are no mapping, or a value cannot be called (also a `ValueError`).
    TransformKeyError
        If a key is none of these kinds (also a `NotImplementedError`).
    ImportPathError, ModuleMissingError, NameMissingError
        If an import path does not name anything.
    """
    if transforms is None:
        transforms = {}
    if not isinstance(transforms, Mapping):
        raise TransformsTypeError(
            f"Transforms are a mapping of {', '.join(TRANSFORMED)} to functions, not a {type(transforms).__name__}."
        )
    parsed: dict[str, Transform] = dict.fromkeys(TRANSFORMED, unchanged)
    for kind, given in transforms.items():
        if kind not in TRANSFORMED:
            raise TransformKeyError(
                f"Documents of kind {kind!r} cannot be transformed.{suggest(str(kind), TRANSFORMED)} "
                f"These can: {', '.join(TRANSFORMED)}.",
                kind=kind,
            )
        function = load_object(given, f"the transform of {kind!r}") if isinstance(given, str) else given
        if not callable(function):
            raise TransformsTypeError(
                f"The transform of {kind!r} must be a function or its import path, not of type {type(given).__name__}.",
                kind=kind,
            )
        parsed[kind] = function
    return parsed


def transformed(document: Mapping[str, Any], cls: type[D], transform: Transform) -> D:
    """Return a document as one of its class, changed by its transform.

    Parameters
    ----------
    document
        As it is stored. It is not changed: the transform is given a deep copy, which it may change and return.
    cls
        Its class.
    transform
        Takes the document and returns it, or another.

    Raises
    ------
    TransformResultError
        If the transform returns anything but a document, or one without what tells it from others.
    """
    if transform is unchanged:
        return document if type(document) is cls else cls(document)
    own = document if isinstance(document, Document) else Document(document)
    result = transform(Draft(own.to_dict()))
    if not isinstance(result, Mapping):
        raise _refused(cls, transform, "nothing" if result is None else f"a {type(result).__name__}")
    lost = [key for key in _KEPT if key in own and key not in result]
    if lost:
        raise _refused(cls, transform, f"one without {lost[0]!r}")
    return result if type(result) is cls else cls(result)


def _refused(cls: type[Document], transform: Transform, returned: str) -> TransformResultError:
    kind = next(kind for kind, known in KINDS.items() if known is cls)
    name = getattr(transform, "__qualname__", repr(transform))
    return TransformResultError(
        f"The transform of {kind!r} documents, {name}, must return the document (a dict), and returned {returned}. "
        "Let it end with `return doc`.",
        kind=kind,
        transform=name,
    )
