"""The raw frames that a repository has: listed, shown as they are read, removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.butlers.parts_choice import choosing_parts
from underbutler.butlers.pruning import prune_datasets
from underbutler.butlers.raw_frames import RawFrame
from underbutler.butlers.repositories import Repositories
from underbutler.butlers.repository import RAW
from underbutler.errors import LostDatasetError, UsageError
from underbutler.instruments.extensions import parts_of_detector
from underbutler.instruments.layout import readout_of
from underbutler.instruments.readout import IncompleteReadoutError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["RawRow", "list_raws", "remove_raws", "show_raw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One raw frame of a repository.

    Parameters
    ----------
    instrument, exposure, detector
        Its data ID.
    day_obs
        Observing day.
    obs_id
        Name of its file, without extensions.
    observation_type
        ``bias``, ``dark``, ``flat``, ``science`` …
    physical_filter
        Its filter, as the registry knows it.
    target
        What was observed, or None.
    begin
        UTC begin, ISO 8601.
    seconds
        Exposure time in seconds.
    dataset
        UUID.
    """

    instrument: str
    exposure: int
    detector: int
    day_obs: int
    obs_id: str
    observation_type: str
    physical_filter: str
    target: str | None
    begin: str
    seconds: float
    dataset: str


def list_raws(
    repositories: Repositories,
    label: str,
    *,
    instrument: str | None = None,
    exposures: Sequence[int] = (),
    detector: int | None = None,
    day_obs: int | None = None,
) -> list[RawRow]:
    """Return the raw frames of a repository, by instrument, exposure and detector.

    Parameters
    ----------
    repositories
        The repositories of this process.
    label
        The repository.
    instrument, exposures, detector, day_obs
        Which ones; all, unless given.

    Raises
    ------
    UnknownNameError
        If the repository is not known.
    """
    with repositories.butler(label) as butler:
        refs = _refs(butler, instrument, exposures, detector, day_obs)
        return [_row(butler, ref) for ref in refs]


def remove_raws(repositories: Repositories, label: str, rows: Sequence[RawRow]) -> None:
    """Remove raw frames from a repository, and their files from its store; what was made of them stays.

    Raises
    ------
    UsageError
        If the repository is remote.
    """
    if repositories.is_remote(label):
        raise UsageError(f"The repository {label!r} is remote and read-only. Remove frames where it is.")
    wanted = {row.dataset for row in rows}
    with repositories.butler(label, writeable=True) as butler:
        found = _refs(butler, None, sorted({row.exposure for row in rows}), None, None)
        prune_datasets(butler, [ref for ref in found if str(ref.id) in wanted])


def show_raw(repositories: Repositories, label: str, row: RawRow) -> dict[str, Any]:
    """Return what is known of one raw frame: its records, its images, and how it is read out through the map.

    Raises
    ------
    LostDatasetError
        If it is gone.
    """
    with repositories.butler(label) as butler:
        instrument = repositories.instrument_map(label, row.instrument)
        found = _refs(butler, row.instrument, [row.exposure], row.detector, None)
        if not found:
            raise LostDatasetError(f"The raw frame exposure={row.exposure} detector={row.detector} is gone.")
        with choosing_parts(lambda parts: parts_of_detector(parts, instrument, row.detector)):
            frame: RawFrame = butler.get(found[0])
        answer: dict[str, Any] = {name: getattr(row, name) for name in RawRow.__slots__}
        answer["uri"] = str(butler.getURI(found[0]))
    answer["images"] = [str(part) for part in frame.parts]
    answer["notes"] = list(frame.notes)
    try:
        readout = readout_of(frame.parts, instrument, row.detector)
    except IncompleteReadoutError as error:
        return answer | {"faults": [str(fault) for fault in error.faults], "amplifiers": []}
    answer["amplifiers"] = [
        {
            "name": one.name,
            "data": str(one.data),
            "overscan": None if one.overscan is None else str(one.overscan.box),
            "place": str(one.place),
            "gain": one.gain,
            "read_noise": one.read_noise,
            "saturation": one.saturation,
        }
        for one in readout.amplifiers
    ]
    return answer | {"faults": []}


def _refs(
    butler: Butler, instrument: str | None, exposures: Sequence[int], detector: int | None, day_obs: int | None
) -> list[DatasetRef]:
    from lsst.daf.butler import MissingDatasetTypeError

    instruments = butler.query_dimension_records("instrument", explain=False)
    known = [instrument] if instrument else [one.name for one in instruments]
    found: list[DatasetRef] = []
    for name in known:
        words, bind = ["instrument = name"], {"name": name}
        if exposures:
            words.append(f"exposure IN ({', '.join(str(int(one)) for one in exposures)})")
        if detector is not None:
            words.append(f"detector = {int(detector)}")
        if day_obs is not None:
            words.append(f"exposure.day_obs = {int(day_obs)}")
        collections = list(butler.collections.query(f"{name}/raw"))
        if not collections:
            continue
        try:
            found += butler.query_datasets(
                RAW,
                collections=collections,
                where=" AND ".join(words),
                bind=bind,
                with_dimension_records=True,
                explain=False,
                limit=None,
            )
        except MissingDatasetTypeError:
            return []
    return sorted(found, key=lambda ref: (ref.dataId["instrument"], ref.dataId["exposure"], ref.dataId["detector"]))


def _row(butler: Butler, ref: DatasetRef) -> RawRow:
    coordinate = ref.dataId if ref.dataId.hasRecords() else butler.registry.expandDataId(ref.dataId)
    record = coordinate.records["exposure"]
    return RawRow(
        instrument=str(coordinate["instrument"]),
        exposure=int(coordinate["exposure"]),
        detector=int(coordinate["detector"]),
        day_obs=int(record.day_obs),
        obs_id=record.obs_id,
        observation_type=record.observation_type,
        physical_filter=record.physical_filter,
        target=record.target_name,
        begin=record.timespan.begin.utc.isot,
        seconds=float(record.exposure_time),
        dataset=str(ref.id),
    )
