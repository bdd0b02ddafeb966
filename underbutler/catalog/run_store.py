"""What a place that keeps runs can do: all that a `Broker` asks of a database, a folder or a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from underbutler.errors import UnknownNameError

from .source import RunSource

__all__ = ["RunHeader", "RunStore"]


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What is known of a run without reading its events.

    Parameters
    ----------
    start
        The start document.
    stop
        The stop document; None while the run is open.
    """

    start: Mapping[str, Any]
    stop: Mapping[str, Any] | None

    @property
    def uid(self) -> str:
        """The run's uid."""
        return str(self.start["uid"])

    def has_no(self, kind: str, name: str) -> UnknownNameError:
        """Return the error (also a `KeyError`) of a document that the run does not have.

        Parameters
        ----------
        kind
            ``resource`` or ``datum``.
        name
            Its uid, or id.
        """
        return UnknownNameError(f"Run {self.uid!r} has no {kind} {name!r}.", **{kind: name})


class RunStore(Protocol):
    """A place that keeps runs."""

    @property
    def place(self) -> str:
        """Where it is, for people; no password in it."""
        ...

    def count(self, query: Mapping[str, Any]) -> int:
        """Return how many runs a query finds."""
        ...

    def headers(self, query: Mapping[str, Any], *, skip: int = 0, limit: int | None = None) -> Iterator[RunHeader]:
        """Yield the runs that a query finds, newest first: by the time of their start, then by uid."""
        ...

    def source(self, header: RunHeader) -> RunSource:
        """Return what reads a run that `headers` gave."""
        ...
