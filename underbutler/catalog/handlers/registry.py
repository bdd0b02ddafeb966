"""Handlers: what opens an external resource of one spec.

A handler class is called as ``handler_class(path, **resource_kwargs)`` and returns a handler, which is called as
``handler(**datum_kwargs)`` and returns one value. Both may be anything that can be called.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib.metadata import entry_points
from typing import Any, TypeAlias

import event_model

from underbutler.catalog.import_path import load_object
from underbutler.errors import UsageError

__all__ = [
    "DEFAULT_GROUPS",
    "DuplicateHandler",
    "Handler",
    "HandlerRegistry",
    "RegistryTypeError",
    "default_registry",
    "deregister_handler",
    "discover_handlers",
    "parse_handler_registry",
    "register_handler",
]

Handler: TypeAlias = Callable[..., Any]

DEFAULT_GROUPS = ("databroker.handlers", "underbutler.handlers")
"""Entry-point groups of handlers; where both know a spec, the later one holds."""


class DuplicateHandler(UsageError, event_model.DuplicateHandler):  # noqa: N818 - the seed's name
    """A spec has a handler already."""


class RegistryTypeError(UsageError, TypeError):
    """Handlers are registered by spec."""


class HandlerRegistry(MutableMapping[str, Handler]):
    """Handlers by spec. Values may be given as import paths.

    Parameters
    ----------
    handlers
        The first ones.
    """

    def __init__(self, handlers: Mapping[str, Handler | str] | None = None) -> None:
        self._handlers = parse_handler_registry(handlers or {})

    def register(self, spec: str, handler: Handler | str, overwrite: bool = False) -> None:
        """Add the handler of a spec; the same one again changes nothing.

        Parameters
        ----------
        spec
            The spec that resources carry.
        handler
            The handler class, or its import path.
        overwrite
            Whether it takes another one's place.

        Raises
        ------
        DuplicateHandler
            If the spec has another handler, and ``overwrite`` is not set.
        """
        new = parse_handler_registry({spec: handler})[spec]
        old = self._handlers.get(spec)
        if old is not None and old is not new and not overwrite:
            raise DuplicateHandler(
                f"Spec {spec!r} has a handler already: {old!r}, not {new!r}. Use overwrite=True to replace it.",
                spec=spec,
            )
        self._handlers[spec] = new

    def deregister(self, spec: str) -> Handler | None:
        """Remove and return the handler of a spec; None if it has none."""
        return self._handlers.pop(spec, None)

    def __getitem__(self, spec: str) -> Handler:
        return self._handlers[spec]

    def __setitem__(self, spec: str, handler: Handler | str) -> None:
        self.register(spec, handler, overwrite=True)

    def __delitem__(self, spec: str) -> None:
        del self._handlers[spec]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._handlers!r})"


def parse_handler_registry(handler_registry: Mapping[str, Handler | str]) -> dict[str, Handler]:
    """Return a registry in which every import path is replaced by what it names.

    Parameters
    ----------
    handler_registry
        Handlers, or import paths of handlers, by spec.

    Raises
    ------
    RegistryTypeError
        If it is not a mapping (also a `TypeError`).
    ImportPathError
        If a string is not an import path (also a `ValueError`).
    ModuleMissingError, NameMissingError
        If what it names does not exist (also a `ModuleNotFoundError`, an `AttributeError`).
    """
    if not isinstance(handler_registry, Mapping):
        raise RegistryTypeError(
            f"A handler registry is a mapping of specs to handlers, {{'AD_TIFF': 'package.module.Handler'}}, not an "
            f"object of type {type(handler_registry).__name__}."
        )
    parsed: dict[str, Handler] = {}
    for spec, handler in handler_registry.items():
        if isinstance(handler, str):
            parsed[spec] = load_object(handler, f"the handler of spec {spec!r}")  # type: ignore[assignment]
        else:
            parsed[spec] = handler
    return parsed


def discover_handlers(
    entrypoint_group_name: str = "databroker.handlers", skip_failures: bool = True
) -> dict[str, Handler]:
    """Return the handlers that installed packages offer, by spec.

    Parameters
    ----------
    entrypoint_group_name
        Group of the entry points, whose names are specs.
    skip_failures
        Whether a handler that cannot be loaded is left out with a warning; else its error is raised.
    """
    offered: dict[str, list[Any]] = {}
    for entry in entry_points(group=entrypoint_group_name):
        offered.setdefault(entry.name, []).append(entry)
    found: dict[str, Handler] = {}
    for spec, entries in offered.items():
        chosen = entries[0]
        if any(entry.value != chosen.value for entry in entries):
            warnings.warn(
                f"Several packages offer a handler of spec {spec!r} ({', '.join(entry.value for entry in entries)}); "
                f"{chosen.value} is taken. Register the one that you want with register_handler.",
                stacklevel=2,
            )
        try:
            found[spec] = chosen.load()
        except Exception as error:
            if not skip_failures:
                raise
            warnings.warn(
                f"The handler of spec {spec!r}, {chosen.value}, cannot be loaded and is left out: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
    return found


_registered = HandlerRegistry()
_discovered: dict[str, Handler] | None = None


def register_handler(spec: str, handler: Handler | str, overwrite: bool = False) -> None:
    """Add a handler for every run of this process that was given no registry of its own.

    Parameters
    ----------
    spec, handler
        As `HandlerRegistry.register` takes them.
    overwrite
        Whether it takes the place of one that was registered, or discovered, before.

    Raises
    ------
    DuplicateHandler
        If the spec has another handler, and ``overwrite`` is not set.
    """
    known = HandlerRegistry(default_registry())
    known.register(spec, handler, overwrite)
    _registered[spec] = known[spec]


def deregister_handler(spec: str) -> Handler | None:
    """Take back `register_handler`; return the handler, or None if there was none.

    A handler that an installed package offers stays.
    """
    return _registered.deregister(spec)


def default_registry() -> dict[str, Handler]:
    """Return the handlers of all `DEFAULT_GROUPS`, discovered once, and those of `register_handler`."""
    global _discovered  # noqa: PLW0603 - what is installed is looked up once per process, at first use
    if _discovered is None:
        found: dict[str, Handler] = {}
        for group in DEFAULT_GROUPS:
            found |= discover_handlers(group)
        _discovered = found  # only when it is whole: images are loaded by several threads
    return {**_discovered, **_registered}
