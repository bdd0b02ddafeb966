"""Fillers: what replaces the datum ids of events by the values that they stand for.

A run has three of them, by the choice ``fill``: ``yes`` loads arrays, ``no`` loads nothing, ``delayed`` gives arrays of
dask.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

import event_model
import numpy as np

from underbutler.catalog.handlers.registry import Handler, default_registry
from underbutler.errors import UsageError

from .field_types import Declared

__all__ = ["FILL_CHOICES", "Fill", "FillChoiceError", "FillerFactory", "Fillers", "check_fill"]

V = TypeVar("V")

Fill: TypeAlias = str
"""``yes``, ``no`` or ``delayed``."""

FILL_CHOICES = ("yes", "no", "delayed")

_OPEN_HANDLERS = 64
"""How many handlers, and the files that they hold open, one filler keeps."""

_KEPT_DATUMS = 4096

_LOCKS = 64
"""Resources of one filler that are read under different locks."""


class FillChoiceError(UsageError, ValueError):
    """External values are filled in, left, or delayed."""


class FillersTypeError(UsageError, TypeError):
    """The fillers of a stream are given by choice."""


def check_fill(fill: Fill) -> None:
    """Refuse a choice that there is not.

    Raises
    ------
    FillChoiceError
        Unless it is ``yes``, ``no`` or ``delayed``.
    """
    if fill not in FILL_CHOICES:
        choices = ", ".join(map(repr, FILL_CHOICES))
        raise FillChoiceError(f"fill={fill!r} is not a valid choice. Choose one of {choices}.", fill=fill)


@dataclass(frozen=True)
class FillerFactory:
    """Makes the fillers of runs: the ``get_filler`` of a `BlueskyRun`. It pickles as far as its handlers do.

    Parameters
    ----------
    handler_registry
        Handlers by spec; those of all installed packages when None.
    root_map
        Where files of a root are now, by the root that resources carry.
    filler_class
        Makes a filler: `event_model.Filler`, a subclass, or a partial of one. The default one does not wait for files
        that are not there (``retry_intervals``), and keeps few handlers open.
    """

    handler_registry: Mapping[str, Handler] | None = None
    root_map: Mapping[str, str] = field(default_factory=dict)
    filler_class: Callable[..., Any] = event_model.Filler

    def __call__(self, coerce: str = "as_is") -> Any:
        """Return a new filler.

        Parameters
        ----------
        coerce
            What becomes of a handler's values, by a name that event-model knows: ``as_is``, ``numpy``, ``delayed``.
        """
        registry = default_registry() if self.handler_registry is None else dict(self.handler_registry)
        options: dict[str, Any] = {}
        if self.filler_class is event_model.Filler:
            options = {
                "retry_intervals": [],
                "handler_cache": _Recent(_OPEN_HANDLERS),
                "datum_cache": _Recent(_KEPT_DATUMS),
            }
        return self.filler_class(registry, root_map=dict(self.root_map), coerce=coerce, inplace=False, **options)


class Fillers(Mapping[str, Any]):
    """The fillers of one run, each made when it is first asked for. Pickles without what they hold open.

    Parameters
    ----------
    get_filler
        ``get_filler(coerce=…)`` returns a new filler; one that takes nothing will do.
    given
        Fillers that exist.
    """

    def __init__(self, get_filler: Callable[..., Any] | None = None, given: Mapping[str, Any] | None = None) -> None:
        self.get_filler = get_filler or FillerFactory()
        self._given = dict(given or {})
        self._made: dict[str, Any] = {}
        self._locks: dict[int, threading.RLock] = {}

    @classmethod
    def adopt(cls, fillers: Mapping[str, Any] | None) -> Fillers:
        """Return fillers that were given as a mapping.

        Raises
        ------
        FillersTypeError
            If they are no mapping, or a key of it is not a valid choice (also a `TypeError`).
        """
        if fillers is not None and not (isinstance(fillers, Mapping) and set(fillers) <= set(FILL_CHOICES)):
            given = f"one of {', '.join(map(repr, fillers))}" if isinstance(fillers, Mapping) else repr(fillers)
            raise FillersTypeError(
                f"Fillers are a mapping of {', '.join(map(repr, FILL_CHOICES))} to fillers, not {given}."
            )
        return fillers if isinstance(fillers, cls) else cls(given=fillers)

    def __getitem__(self, fill: str) -> Any:
        if fill in self._given:
            return self._given[fill]
        if fill not in FILL_CHOICES:
            raise KeyError(fill)
        if fill not in self._made:
            self._made[fill] = self._make(fill)
        return self._made[fill]

    def __iter__(self) -> Iterator[str]:
        return iter(FILL_CHOICES)

    def __len__(self) -> int:
        return len(FILL_CHOICES)

    def __getstate__(self) -> dict[str, Any]:
        return {"get_filler": self.get_filler, "_given": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.get_filler, self._given = state["get_filler"], state["_given"]
        self._made, self._locks = {}, {}

    def of_spec(self, spec: str) -> Any:
        """Return the filler that loads, made again if the handler of a spec was registered after it."""
        filler = self["yes"]
        if spec not in known_specs(filler) and "yes" in self._made:
            self._made["yes"] = filler = self._make("yes")
        return filler

    def forget_handlers(self) -> None:
        """Close what loads: the files of an open run may have grown since they were opened."""
        filler = self._given.get("yes") or self._made.get("yes")
        if filler is not None and hasattr(filler, "clear_handler_cache"):
            filler.clear_handler_cache()

    def lock(self, resource_uid: str) -> threading.RLock:
        """Return the lock under which a resource is read: handlers need not be ready for two threads."""
        number = hash(resource_uid) % _LOCKS
        lock = self._locks.get(number)
        return lock or self._locks.setdefault(number, threading.RLock())

    def _make(self, fill: str) -> Any:
        if fill == "no":
            return event_model.NoFiller(dict(self["yes"].handler_registry), inplace=True)
        coerce = _NUMPY if fill == "yes" else _DELAYED
        if _takes(self.get_filler, "coerce"):
            return self.get_filler(coerce=coerce)
        filler = self.get_filler()
        return filler.clone(coerce=coerce) if hasattr(filler, "clone") else filler


def known_specs(filler: Any) -> list[str]:
    """Return the specs that a filler has handlers of."""
    return sorted(getattr(filler, "handler_registry", {}))


class _Recent(dict[Any, V]):
    """A dict that forgets its oldest items."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._lock = threading.Lock()

    def __setitem__(self, key: Any, value: V) -> None:
        with self._lock:
            super().__setitem__(key, value)
            while len(self) > self._limit:
                super().__delitem__(next(iter(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._limit,)


class _Coerced:
    """A handler class whose handlers are wrapped. Unlike a subclass it can be made of any function."""

    def __init__(self, handler_class: Handler, wrap: Callable[..., Any], state: Any) -> None:
        self._handler_class, self._wrap, self._state = handler_class, wrap, state

    def __call__(self, path: str, **resource_kwargs: Any) -> Any:
        return self._wrap(self._handler_class, path, resource_kwargs, self._state)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._handler_class, name)

    def __repr__(self) -> str:
        return repr(self._handler_class)


class _ArrayHandler:
    """A handler whose values are numpy arrays."""

    def __init__(self, handler_class: Handler, path: str, resource_kwargs: dict[str, Any], _state: Any) -> None:
        self._handler = handler_class(path, **resource_kwargs)

    def __call__(self, **datum_kwargs: Any) -> np.ndarray[Any, Any]:
        return np.asarray(self._handler(**datum_kwargs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._handler, name)


class _DelayedHandler:
    """A handler whose values are dask arrays: even the file is opened when they are computed."""

    def __init__(self, handler_class: Handler, path: str, resource_kwargs: dict[str, Any], state: Any) -> None:
        self._open = (handler_class, path, resource_kwargs)
        self._state = state

    def __call__(self, **datum_kwargs: Any) -> Any:
        import dask
        import dask.array

        key = self._state.key
        declared = Declared.of(key, self._state.descriptor["data_keys"][key], self._state.descriptor.get("name", ""))
        if declared.fixed_shape is None:
            return dask.array.from_array(_load(*self._open, datum_kwargs))
        value = dask.delayed(_load)(*self._open, datum_kwargs)
        return dask.array.from_delayed(value, shape=declared.fixed_shape, dtype=declared.dtype_or_guess)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        handler_class, path, resource_kwargs = self._open
        return getattr(handler_class(path, **resource_kwargs), name)


def _load(handler_class: Handler, path: str, resource_kwargs: Any, datum_kwargs: Any) -> np.ndarray[Any, Any]:
    return np.asarray(handler_class(path, **resource_kwargs)(**datum_kwargs))


def _to_numpy(handler_class: Handler, state: Any) -> Any:
    return _Coerced(handler_class, _ArrayHandler, state)


def _to_dask(handler_class: Handler, state: Any) -> Any:
    if is_delayed(handler_class):
        return handler_class
    return _Coerced(handler_class, _DelayedHandler, state)


def is_delayed(handler_class: Any) -> bool:
    """Tell whether a handler says of itself that it returns dask arrays."""
    return bool((getattr(handler_class, "return_type", None) or {}).get("delayed"))


def delays_itself(handler_class: Any) -> bool:
    """Tell whether a handler has a method ``delayed``, which returns a dask array in place of a numpy one."""
    while isinstance(handler_class, _Coerced | partial):
        handler_class = handler_class._handler_class if isinstance(handler_class, _Coerced) else handler_class.func
    return callable(getattr(handler_class, "delayed", None))


def _takes(function: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


_NUMPY = "underbutler.numpy"
_DELAYED = "underbutler.delayed"
event_model.register_coercion(_NUMPY, _to_numpy, overwrite=True)
event_model.register_coercion(_DELAYED, _to_dask, overwrite=True)
