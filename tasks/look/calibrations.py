"""Which frames have no master that is valid for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.calib_targets import DIMENSIONS
from tasks.validity import validity_text
from underbutler.butlers.many_datasets import Validities, certified_in
from underbutler.butlers.masters import calib_collections
from underbutler.pipe.findings import Finding

from .frames import Frame, group_words, grouped, targets_of

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["missing_masters"]


def missing_masters(
    butler: Butler, names: Iterable[str], frames: Sequence[Frame], *, collections: Sequence[str], repo: str
) -> Iterator[Finding]:
    """Yield the groups of frames that lack a master, or have more than one from which to choose.

    Parameters
    ----------
    butler
        It reads.
    names
        Dataset types of the masters that are wanted.
    frames
        The frames.
    collections
        Where masters are looked for, in this order.
    repo
        Label of the repository, for the cure.
    """
    for name in names:
        held = certified_in(butler, name, calib_collections(butler, collections))
        groups = grouped(frames, lambda frame, name=name: tuple(_data_id(name, frame).values()))
        for _, members in groups:
            yield from _of_group(name, held, members, collections, repo)


def _data_id(name: str, frame: Frame) -> dict[str, Any]:
    values = {
        "instrument": frame.instrument,
        "detector": frame.detector,
        "physical_filter": frame.record.physical_filter,
    }
    return {dimension: values[dimension] for dimension in DIMENSIONS[name]}


def _of_group(
    name: str, held: Validities, members: Sequence[Frame], collections: Sequence[str], repo: str
) -> Iterator[Finding]:
    data_id = _data_id(name, members[0])
    numbers = [(frame, len(held.valid(data_id, frame.record.timespan))) for frame in members]
    without = [frame for frame, number in numbers if number == 0]
    words = (data_id["instrument"], data_id["detector"], data_id.get("physical_filter"))
    override = f"do{name.capitalize()}=false"
    if without:
        yield Finding(
            group=group_words(without, *words),
            what=f"no {name} is valid at that time in {', '.join(collections) or 'any collection'}"
            f"{_others(held, data_id)}",
            cure=f"Make one: underbutler submit make{name.capitalize()} {repo} --inputId "
            f"instrument={data_id['instrument']} detector={data_id['detector']} day_obs={without[0].record.day_obs}; "
            f"widen the time of one that exists with --validity; or do without: -c {override}.",
            targets=targets_of(without),
            example=without[0].data_id,
            overrides=(override,),
        )
    doubly = [frame for frame, number in numbers if number > 1]
    if doubly:
        yield Finding(
            group=group_words(doubly, *words),
            what=f"more than one {name} is valid at that time in one collection",
            cure=f"Name the right one's with --collections, or do without: -c {override}.",
            targets=targets_of(doubly),
            example=doubly[0].data_id,
            overrides=(override,),
        )


def _others(held: Validities, data_id: dict[str, Any]) -> str:
    """Return a hint at masters of the same data ID that are valid at other times."""
    spans = [validity_text(one.timespan) for one in held.of(data_id) if one.timespan is not None]
    if not spans:
        return ""
    more = f" and {len(spans) - 2} others" if len(spans) > 2 else ""
    return f" (there are some for {', '.join(spans[:2])}{more}, in TAI)"
