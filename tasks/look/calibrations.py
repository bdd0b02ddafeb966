"""Which frames have no master that fits them: of their time, and of how the camera was set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from underbutler.butlers.frame_headers import frame_facts
from underbutler.butlers.masters import Masters, unmapped
from underbutler.pipe.findings import Finding

from .frames import Frame, group_words, targets_of
from .readouts import MasterShapes, Readouts

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories
    from underbutler.butlers.frame_headers import FrameHeader
    from underbutler.butlers.masters import MapOf
    from underbutler.instruments.instrument_map import InstrumentMap
    from underbutler.instruments.master_choice import Choice, FrameFacts

__all__ = ["maps_of", "masters_looked_at", "missing_masters"]


def missing_masters(
    butler: Butler,
    names: Mapping[str, bool],
    frames: Sequence[tuple[Frame, FrameHeader]],
    *,
    collections: Sequence[str],
    repo: str,
    map_of: MapOf,
    readouts: Readouts,
) -> Iterator[Finding]:
    """Yield the groups of frames that lack a master that fits, and those of which something is to be said of theirs.

    Parameters
    ----------
    butler
        It reads.
    names
        Dataset types of the masters that are wanted; the value says whether the bias is subtracted from the frames.
    frames
        The frames, each with its header or that of one like it.
    collections
        Where masters are looked for, in this order.
    repo
        Label of the repository, for the cure.
    map_of
        Returns the map of an instrument.
    readouts
        How the frames were read out.
    """
    masters, shapes = Masters(butler, repo, collections), MasterShapes(butler)
    where = ", ".join(collections) or "any collection"
    known = [(frame, header, *_facts(frame, header, map_of)) for frame, header in frames] if names else []
    for name, has_bias in names.items():
        alike: dict[tuple[Any, ...], list[Frame]] = defaultdict(list)
        for frame, header, facts, instrument in known:
            data_id = header.ref.dataId.mapping
            choice = masters.choose(name, data_id, facts, instrument, has_bias=has_bias)
            reason, warning = _told(choice)
            readout = readouts.of(frame, header)
            if choice.master is not None and readout is not None:
                reason = shapes.misfit(name, choice.master.dataset, readout)
            if reason or warning:
                alike[frame.instrument, frame.detector, _filter(name, frame), reason, warning].append(frame)
        for (*words, reason, warning), members in sorted(alike.items(), key=lambda item: tuple(map(str, item[0]))):
            if not reason:
                yield Finding(
                    group=group_words(members, *words),
                    what=warning.removesuffix("."),
                    targets=targets_of(members),
                    example=members[0].data_id,
                    fails=False,
                )
            else:
                yield _missing(name, members, words, reason, where, repo)


def maps_of(repositories: Repositories, label: str) -> MapOf:
    """Return what gives the map of an instrument in a repository, each looked for once."""
    return cache(lambda instrument: repositories.instrument_map(label, instrument))


def masters_looked_at(names: Iterable[str]) -> Iterator[str]:
    """Yield what `missing_masters` looks at, in words."""
    if words := ", ".join(names):
        yield f"the {words} of each, by time and setting"


def _facts(frame: Frame, header: FrameHeader, map_of: MapOf) -> tuple[FrameFacts, InstrumentMap]:
    instrument = map_of(frame.instrument) or unmapped(frame.instrument)
    return frame_facts(header, instrument), instrument


def _filter(name: str, frame: Frame) -> str | None:
    return str(frame.record.physical_filter) if name == "flat" else None


def _told(choice: Choice) -> tuple[str, str]:
    """Return why there is no master, in words that alike frames share, and what is to be said of the one there is."""
    if choice.master is not None:
        return "", choice.warning
    if choice.nearest is None:
        return choice.reason, ""
    others = [f"{one.key}: it is for {one.master}" if one.key == "time" else str(one) for one in choice.differences]
    return f"the nearest {choice.name} differs in {'; '.join(others)}", ""


def _missing(name: str, members: Sequence[Frame], words: Sequence[Any], reason: str, where: str, repo: str) -> Finding:
    instrument, detector, _ = words
    override = f"do{name.capitalize()}=false"
    return Finding(
        group=group_words(members, *words),
        what=f"no {name} in {where} fits: {reason.removesuffix('.')}",
        cure=f"Make one: underbutler submit make{name.capitalize()} {repo} --inputId instrument={instrument} "
        f"detector={detector} day_obs={members[0].record.day_obs}; widen the time of one that exists with --validity; "
        f"or do without: -c {override}.",
        targets=targets_of(members),
        example=members[0].data_id,
        overrides=(override,),
    )
