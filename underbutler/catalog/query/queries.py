"""What a search asks: queries in MongoDB's words, and short forms of the usual ones.

A query is a mapping: ``{"task": "processCcd", "exit_status": "success", "data_id.detector": {"$in": [3, 4]}}``. Paths
are those of the start document; ``stop.…`` means the stop document, and so do ``exit_status`` and ``num_events``.
"""

from __future__ import annotations

import math
import zoneinfo
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from numbers import Integral, Real
from typing import Any

from underbutler.errors import UsageError

__all__ = ["QueryError", "ScanIDRange", "SearchQuery", "TextQuery", "TimeRange", "timestamp", "zone_of"]

_FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


class QueryError(UsageError, ValueError):
    """A query cannot be asked as it is written."""


class SearchQuery(Mapping[str, Any]):
    """A query in short form: a mapping whose content follows from its parameters."""

    @property
    @abstractmethod
    def query(self) -> dict[str, Any]:
        """The query in MongoDB's words."""

    @property
    @abstractmethod
    def kwargs(self) -> dict[str, Any]:
        """The parameters of it."""

    def replace(self, **kwargs: Any) -> SearchQuery:
        """Return a copy with other parameters."""
        return type(self)(**{**self.kwargs, **kwargs})

    def __getitem__(self, key: str) -> Any:
        return self.query[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.query)

    def __len__(self) -> int:
        return len(self.query)

    def __repr__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.kwargs.items() if value is not None)
        return f"{type(self).__name__}({given})"


class TimeRange(SearchQuery):
    """Runs that began in a range of time.

    Parameters
    ----------
    since
        Beginning, inclusive: seconds since 1970 UTC, a `datetime`, or a text such as ``2026``, ``2026-11``,
        ``2026-11-19``, ``2026-11-19 21:30`` or ISO 8601.
    until
        End, exclusive: likewise.
    timezone
        Zone of texts and of datetimes that name none, e.g. ``America/Santiago``; default the zone of this machine.

    Raises
    ------
    QueryError
        If ``since`` is later than ``until``, or one of them cannot be read (also a `ValueError`).
    """

    def __init__(
        self,
        since: float | str | datetime | None = None,
        until: float | str | datetime | None = None,
        timezone: str | None = None,
    ) -> None:
        self.timezone = timezone
        zone = None if timezone is None else zone_of(timezone)
        self._given = since, until
        self._since = None if since is None else timestamp(since, zone)
        self._until = None if until is None else timestamp(until, zone)
        if self._since is not None and self._until is not None and self._since > self._until:
            raise QueryError(
                f"A time range begins before it ends: since={since!r} is later than until={until!r}. Swap them.",
                since=since,
                until=until,
            )

    @property
    def kwargs(self) -> dict[str, Any]:
        """The parameters, as they were given."""
        since, until = self._given
        return {"since": since, "until": until, "timezone": self.timezone}

    @property
    def query(self) -> dict[str, Any]:
        """The query in MongoDB's words."""
        bounds = {"$gte": self._since, "$lt": self._until}
        time = {operator: bound for operator, bound in bounds.items() if bound is not None}
        return {"time": time} if time else {}


class TextQuery(SearchQuery):
    """Runs whose start document has all words of a text somewhere among its values.

    A word may be part of a longer one; the letters a to z match whatever their case.

    Parameters
    ----------
    text_search
        Words, separated by blanks.

    Raises
    ------
    QueryError
        If it is not a text (also a `ValueError`).
    """

    def __init__(self, text_search: str) -> None:
        if not isinstance(text_search, str):
            raise QueryError(f"A text is searched for, not {text_search!r}.", text=text_search)
        self.text = text_search

    @property
    def kwargs(self) -> dict[str, Any]:
        """The parameters."""
        return {"text_search": self.text}

    @property
    def query(self) -> dict[str, Any]:
        """The query in MongoDB's words."""
        return {"$text": {"$search": self.text}}


class ScanIDRange(SearchQuery):
    """Runs whose ``scan_id`` is in a range.

    Parameters
    ----------
    start_id
        The first one, inclusive.
    end_id
        The end, exclusive; None: no end.

    Raises
    ------
    QueryError
        If the range is reversed, or holds no numbers (also a `ValueError`).
    """

    def __init__(self, start_id: int, end_id: int | None = None) -> None:
        for given in (start_id, 0 if end_id is None else end_id):
            if isinstance(given, bool) or not isinstance(given, Integral):
                raise QueryError(f"A scan id is a number, not {given!r}.", scan_id=given)
        if end_id is not None and start_id > end_id:
            raise QueryError(f"A range of scan ids begins before it ends: {start_id} is past {end_id}. Swap them.")
        self.start_id, self.end_id = start_id, end_id

    @property
    def kwargs(self) -> dict[str, Any]:
        """The parameters."""
        return {"start_id": self.start_id, "end_id": self.end_id}

    @property
    def query(self) -> dict[str, Any]:
        """The query in MongoDB's words."""
        upper = {} if self.end_id is None else {"$lt": self.end_id}
        return {"scan_id": {"$gte": self.start_id, **upper}}


def timestamp(moment: float | str | datetime, zone: tzinfo | None = None) -> float:
    """Return a moment in seconds since 1970 UTC.

    Parameters
    ----------
    moment
        As `TimeRange` takes it.
    zone
        Zone of a text, or of a `datetime` that names none; default that of this machine.

    Raises
    ------
    QueryError
        If it cannot be read.
    """
    if isinstance(moment, str):
        moment = _parsed(moment.strip())
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    if isinstance(moment, bool) or not isinstance(moment, Real) or not math.isfinite(moment):
        raise _no_time(moment)
    return float(moment)


def _parsed(text: str) -> datetime:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_time(text) from error


def _no_time(given: object) -> QueryError:
    return QueryError(
        f"{given!r} is not a time. Write 2026, 2026-11, 2026-11-19, 2026-11-19 21:30:00 or seconds since 1970 UTC.",
        time=given,
    )


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Return a time zone.

    Raises
    ------
    QueryError
        If there is none of this name.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise QueryError(
            f"No time zone is called {name!r}. Write one of the tz database, e.g. UTC or America/Santiago.", zone=name
        ) from error
