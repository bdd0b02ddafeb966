"""The raw frames of many targets: exposure records and files, in a few queries, and a few frames to look into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from underbutler.butlers.many_datasets import datasets_of_frames, exposure_records
from underbutler.model.dataref import human_data_id
from underbutler.pipe.findings import Finding
from underbutler.wording import counted

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["FULLY_READ", "Frame", "Frames", "group_words"]

FULLY_READ: Final = 300
"""Up to so many headers are read one by one; of more frames, one of each group of alike ones."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A raw frame that a target takes.

    Parameters
    ----------
    target
        Place of the target in the target list.
    instrument, exposure, detector
        Its data ID.
    record
        Its exposure's record.
    """

    target: int
    instrument: str
    exposure: int
    detector: int
    record: Any

    @property
    def key(self) -> tuple[str, int, int]:
        """Instrument, exposure, detector."""
        return (self.instrument, self.exposure, self.detector)

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
        self._butler, self._collections = butler, collections
        asked = [(place, (str(one["instrument"]), int(one["exposure"]), int(one["detector"]))) for place, one in wanted]
        records = exposure_records(butler, [(instrument, exposure) for _, (instrument, exposure, _) in asked])
        self.all: list[Frame] = [
            Frame(place, *key, record) for place, key in asked if (record := records.get(key[:2])) is not None
        ]

    def __len__(self) -> int:
        return len(self.all)

    @cached_property
    def _uris(self) -> dict[Any, Any]:
        refs = datasets_of_frames(self._butler, "raw", [frame.key for frame in self.all], self._collections)
        found = self._butler.get_many_uris(refs.values(), allow_missing=True)
        by_id = {ref.id: location.primaryURI for ref, location in found.items()}
        return {key: by_id[ref.id] for key, ref in refs.items() if by_id.get(ref.id) is not None}

    @cached_property
    def _sizes(self) -> dict[Any, int | None]:
        """Size of each frame's file in bytes; None where it is not on a disk here, and is not asked for."""
        return {key: size for key, uri in self._uris.items() if (size := _size(uri)) != _GONE}

    def missing(self) -> Iterator[Finding]:
        """Yield the frames whose file is gone."""
        gone = [frame for frame in self.all if frame.key not in self._sizes]
        for (instrument, detector), members in grouped(gone, lambda frame: (frame.instrument, frame.detector)):
            yield Finding(
                group=group_words(members, instrument, detector),
                what="the raw file is gone from the repository",
                cure="Ingest it again, or leave these exposures out of --id.",
                targets=targets_of(members),
                example=members[0].data_id,
            )

    def alike(self) -> list[list[Frame]]:
        """Return the frames that have a file, those together that instrument, detector, filter, kind and size share."""
        there = [frame for frame in self.all if frame.key in self._sizes]
        return [
            members
            for _, members in grouped(
                there,
                lambda frame: (
                    frame.instrument,
                    frame.detector,
                    frame.record.physical_filter,
                    frame.record.observation_type,
                    self._sizes[frame.key] or 0,
                ),
            )
        ]

    def sample(self) -> list[list[Frame]]:
        """Return groups of frames, the first of each to be looked into for all of it.

        Up to `FULLY_READ` frames each is a group of its own. Of more, alike ones are one group.
        """
        groups = self.alike()
        if sum(map(len, groups)) <= FULLY_READ:
            return [[frame] for members in groups for frame in members]
        return groups

    def uri(self, frame: Frame) -> Any:
        """Return where a frame's file is."""
        return self._uris[frame.key]


_GONE: Final = -1


def _size(uri: Any) -> int | None:
    if not uri.isLocal:
        return None
    try:
        return Path(uri.ospath).stat().st_size
    except OSError:
        return _GONE


def grouped(frames: Iterable[Frame], key: Any) -> list[tuple[Any, list[Frame]]]:
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
