"""The columns of a stream's events, in the order of the events."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from underbutler.catalog.source import EventSource, SubDict

from .field_types import FieldError

__all__ = ["Columns", "event_order", "read_columns"]


@dataclass(slots=True)
class Columns:
    """Events of one descriptor, column by column.

    Parameters
    ----------
    uid, seq_num, time
        Of each event.
    values
        What the events hold, by field: lists or arrays.
    filled
        Whether values are there (True, or the datum id), or datum ids instead (False), by field; None where the events
        do not say it.
    """

    uid: Sequence[str]
    seq_num: Sequence[int]
    time: Sequence[float]
    values: dict[str, Any]
    filled: dict[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.uid)


def read_columns(
    source: EventSource,
    descriptor: Mapping[str, Any],
    keys: Collection[str],
    sub_dict: SubDict = "data",
    skip: int = 0,
    limit: int | None = None,
) -> Columns:
    """Return columns of one descriptor's events.

    Parameters
    ----------
    source
        Where events come from.
    descriptor
        Of which descriptor.
    keys
        Which fields.
    sub_dict
        Values or their timestamps.
    skip, limit
        Which events.

    Raises
    ------
    FieldError
        If a field has no values.
    """
    if source.get_columns is not None:
        page = source.get_columns(descriptor["uid"], keys, sub_dict=sub_dict, skip=skip, limit=limit)
        values, filled = page.get(sub_dict, {}), page.get("filled") or {}
        _require(keys, values, page, descriptor)
        return Columns(
            uid=page["uid"],
            seq_num=page["seq_num"],
            time=page["time"],
            values={key: values[key] for key in keys} if len(page["uid"]) else {key: [] for key in keys},
            filled={key: filled[key] for key in keys if key in filled},
        )
    return _gathered(source, descriptor, keys, sub_dict, skip, limit)


def _gathered(
    source: EventSource,
    descriptor: Mapping[str, Any],
    keys: Collection[str],
    sub_dict: SubDict,
    skip: int,
    limit: int | None,
) -> Columns:
    uid: list[str] = []
    seq_num: list[int] = []
    time: list[float] = []
    values: dict[str, list[Any]] = {key: [] for key in keys}
    filled: dict[str, list[Any]] = {}
    targets = list(values.items())
    for page in source.get_event_pages(descriptor["uid"], skip, limit):
        held = page[sub_dict]
        try:
            for key, column in targets:
                column.extend(held[key])
        except KeyError:
            _require(keys, held, page, descriptor)
        said = page.get("filled")
        if said:
            for key in values.keys() & said.keys():
                _extend_said(filled, key, said[key], len(uid))
        uid.extend(page["uid"])
        seq_num.extend(page["seq_num"])
        time.extend(page["time"])
        for column in filled.values():
            if len(column) < len(uid):
                column.extend([None] * (len(uid) - len(column)))
    return Columns(uid=uid, seq_num=seq_num, time=time, values=dict(values), filled=dict(filled))


def _extend_said(filled: dict[str, list[Any]], key: str, said: Sequence[Any], rows_before: int) -> None:
    """Add what a page says of a field; pages that say nothing (None) mean what the descriptor says."""
    if key not in filled:
        filled[key] = [None] * rows_before
    filled[key].extend(said)


def _require(
    keys: Collection[str], values: Mapping[str, Any], page: Mapping[str, Any], descriptor: Mapping[str, Any]
) -> None:
    missing = [key for key in keys if key not in values]
    if missing and len(page["uid"]):
        raise FieldError(
            f"Field {missing[0]!r} is declared by descriptor {descriptor['uid']} of stream {descriptor.get('name')!r}, "
            f"and event {page['seq_num'][0]} (uid {page['uid'][0]}) has no value of it. Correct the descriptor with "
            f"transforms={{'descriptor': …}}, or read without it: exclude={missing!r}.",
            field=missing[0],
        )


def event_order(parts: Sequence[Columns], where: str) -> npt.NDArray[np.intp] | None:
    """Return the order in which the rows of all parts are read; None if it is the one that they have.

    Events are read in order of ``seq_num``. Where that is not unique (a run that was rewound, descriptors that count on
    their own) they are read in order of time. An event that is there twice is read once, with a warning.

    Parameters
    ----------
    parts
        Columns, one part after the other.
    where
        The stream, for the warning.
    """
    uids = [uid for part in parts for uid in part.uid]
    numbers = np.concatenate([np.asarray(part.seq_num, np.int64) for part in parts]) if parts else np.empty(0, np.int64)
    if len(set(uids)) == len(uids):
        if (numbers[1:] > numbers[:-1]).all():
            return None
        rows = np.arange(len(uids))
    else:
        first: dict[str, int] = {}
        for row, uid in enumerate(uids):
            first.setdefault(uid, row)
        rows = np.fromiter(first.values(), np.intp, len(first))
        warnings.warn(
            f"{where}: {len(uids) - len(rows)} of {len(uids)} events are there twice (same uid) and are read once.",
            stacklevel=2,
        )
    numbers = numbers[rows]
    if len(np.unique(numbers)) == len(numbers):
        return rows[np.argsort(numbers, kind="stable")]
    times = np.concatenate([np.asarray(part.time, float) for part in parts])[rows]
    return rows[np.lexsort((numbers, times))]
