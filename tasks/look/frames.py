"""The raw frames of many targets: found in a few queries, and looked into, of many alike ones only into the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from underbutler.butlers.frame_headers import FrameHeader, frame_headers, raw_refs
from underbutler.model.dataref import human_data_id
from underbutler.pipe.findings import Finding
from underbutler.wording import counted

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["FULLY_READ", "Frame", "Frames", "group_words", "grouped", "targets_of"]

FULLY_READ: Final = 1000
"""Up to so many headers are read one by one; of more frames, one of each group of alike ones."""
NOT_HERE: Final = -1
"""Size of a file that is on no disk of this machine, and is not asked for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A raw frame that a target takes.

    Parameters
    ----------
    target
        Place of the target in the target list.
    instrument, exposure, detector
        Its data ID.
    ref
        The dataset, with dimension records; None if there is none.
    """

    target: int
    instrument: str
    exposure: int
    detector: int
    ref: DatasetRef | None

    @property
    def record(self) -> Any:
        """Its exposure's record."""
        assert self.ref is not None, "asked only of a frame that is there"
        return self.ref.dataId.records["exposure"]

    @property
    def data_id(self) -> str:
        """Its data ID, as people write it."""
        return human_data_id({"instrument": self.instrument, "exposure": self.exposure, "detector": self.detector})


class Frames:
    """The raw frames of a target list.

    Parameters
    ----------
    butler
        It reads.
    collections
        Where they are looked for, in this order.
    wanted
        For each frame the place of its target, and its data ID.
    """

    def __init__(
        self, butler: Butler, collections: Sequence[str], wanted: Iterable[tuple[int, Mapping[str, Any]]]
    ) -> None:
        asked = list(wanted)
        refs = raw_refs(butler, [data_id for _, data_id in asked], collections)
        keys = [(place, (str(one["instrument"]), int(one["exposure"]), int(one["detector"]))) for place, one in asked]
        self.all = [Frame(place, *key, refs.get(key)) for place, key in keys]
        self.n_headers = 0
        """How many headers were read."""
        self._butler, self._collections = butler, collections

    def __len__(self) -> int:
        return len(self.all)

    def looked_at(self) -> Iterator[str]:
        """Yield what was looked at, in words."""
        yield f"the files of {counted(len(self), 'frame')}"
        yield (
            "the header of each"
            if self.n_headers == len(self.headers)
            else (f"{counted(self.n_headers, 'header')}, one of each group of frames that are alike")
        )

    def missing(self) -> Iterator[Finding]:
        """Yield the frames that do not exist, whose file is gone, or cannot be read."""
        absent = [frame for frame in self.all if frame.ref is None]
        yield from _faults(absent, f"there is no raw frame in {', '.join(self._collections)}", "Ingest it.")
        gone = [frame for frame in self.all if frame.ref is not None and frame.ref.id not in self._sizes]
        yield from _faults(gone, "the raw file is gone from the repository", "Ingest it again.")
        by_problem: dict[str, list[Frame]] = defaultdict(list)
        for frame, header in self._read:
            if header.problem:
                by_problem[header.problem].append(frame)
        for problem, frames in by_problem.items():
            yield from _faults(frames, f"the raw file cannot be read: {problem.removesuffix('.')}", "Replace the file.")

    @cached_property
    def headers(self) -> list[tuple[Frame, FrameHeader]]:
        """The frames that can be read, each with its header, or the header of the first of its group of alike ones."""
        return [(frame, header) for frame, header in self._read if not header.problem]

    @cached_property
    def _sizes(self) -> dict[Any, int]:
        """Size of each frame's file in bytes, by the dataset's UUID; a file that is gone is not in it."""
        refs = [frame.ref for frame in self.all if frame.ref is not None]
        found = self._butler.get_many_uris(refs, predict=False, allow_missing=True) if refs else {}
        sizes = {ref.id: _size(uris.primaryURI) for ref, uris in found.items() if uris.primaryURI is not None}
        return {dataset: size for dataset, size in sizes.items() if size is not None}

    @cached_property
    def _read(self) -> list[tuple[Frame, FrameHeader]]:
        there = [frame for frame in self.all if frame.ref is not None and frame.ref.id in self._sizes]
        groups = [[frame] for frame in there] if len(there) <= FULLY_READ else self._alike(there)
        headers = frame_headers(self._butler, [members[0].ref for members in groups if members[0].ref is not None])
        self.n_headers = len(headers)
        return [
            (frame, replace(header, ref=frame.ref))
            for members, header in zip(groups, headers, strict=True)
            for frame in members
        ]

    def _alike(self, frames: Iterable[Frame]) -> list[list[Frame]]:
        """Group frames by what tells readouts apart without a look into the files: other binnings have other sizes."""

        def key(frame: Frame) -> tuple[Any, ...]:
            assert frame.ref is not None
            record = frame.record
            kind = (record.physical_filter, record.observation_type, record.exposure_time)
            return (frame.instrument, frame.detector, *kind, self._sizes[frame.ref.id])

        return [members for _, members in grouped(frames, key)]


def grouped(frames: Iterable[Frame], key: Callable[[Frame], tuple[Any, ...]]) -> list[tuple[Any, list[Frame]]]:
    """Return frames by a key, keys in their order."""
    groups: dict[Any, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return sorted(groups.items(), key=lambda item: tuple(map(str, item[0])))


def targets_of(frames: Iterable[Frame]) -> tuple[int, ...]:
    """Return the places of the targets that frames belong to."""
    return tuple(dict.fromkeys(frame.target for frame in frames))


def group_words(frames: Sequence[Frame], instrument: object, detector: object, physical_filter: object = None) -> str:
    """Return what a group of frames is called: ``24 frames of SIMCAM detector 0, filter r``."""
    words = f"{counted(len(frames), 'frame')} of {instrument} detector {detector}"
    return words if physical_filter is None else f"{words}, filter {physical_filter}"


def _size(uri: Any) -> int | None:
    if not uri.isLocal:
        return NOT_HERE
    try:
        return Path(uri.ospath).stat().st_size
    except OSError:
        return None


def _faults(frames: Iterable[Frame], what: str, cure: str) -> Iterator[Finding]:
    for (instrument, detector), members in grouped(frames, lambda frame: (frame.instrument, frame.detector)):
        yield Finding(
            group=group_words(members, instrument, detector),
            what=what,
            cure=f"{cure} Or leave these exposures out.",
            targets=targets_of(members),
            example=members[0].data_id,
        )
