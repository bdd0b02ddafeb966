"""Raw frames into a repository: each file is checked whole before anything of it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from underbutler.errors import ConflictError, UnderbutlerError, UsageError
from underbutler.instruments.extensions import parts_by_detector, parts_of_detector
from underbutler.instruments.instrument_map import InstrumentMap, choose_map
from underbutler.instruments.observation import Observation, next_second, read_observation
from underbutler.instruments.packings import stem_of
from underbutler.model.dataref import DataIdValue, human_data_id
from underbutler.telemetry.logs import get_logger

from .parts_choice import choosing_parts
from .places import place_of
from .pruning import set_aside
from .raw_frames import RawFrame, raw_frame_parts, read_raw_frame
from .raws.exposure_records import ExposureRecords, record_differences
from .raws.identity import OwnIdentity, frame_differences, own_identity
from .repositories import Repositories
from .repository import RAW, keep_map, register_instrument, repository_maps

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef
    from lsst.resources import ResourcePath

__all__ = ["FileOutcome", "IngestReport", "ingest_files"]

Status: TypeAlias = Literal["ingested", "replaced", "skipped", "failed"]

_log = get_logger(__name__)

_CLASH_LIMIT = 60
"""How many seconds an exposure id may be moved by."""

_RACE_TRIES = 4
"""How often a file is entered anew when another process enters the same."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    Parameters
    ----------
    file
        The file as it was given.
    status
        ``ingested``, ``replaced`` (instead of another file of its exposure), ``skipped`` (it is there already) or
        ``failed``.
    data_id
        Its data ID, once known.
    note
        Why it was skipped or failed, or what was done otherwise than expected.
    """

    file: str
    status: Status
    data_id: dict[str, DataIdValue] | None = None
    note: str = ""


@dataclass
class IngestReport:
    """What became of all files, in their order."""

    outcomes: list[FileOutcome] = field(default_factory=list)

    @property
    def ingested(self) -> list[FileOutcome]:
        """Files that are new in the repository."""
        return [one for one in self.outcomes if one.status in {"ingested", "replaced"}]

    @property
    def skipped(self) -> list[FileOutcome]:
        """Files that were there already."""
        return [one for one in self.outcomes if one.status == "skipped"]

    @property
    def failed(self) -> list[FileOutcome]:
        """Files of which nothing was written."""
        return [one for one in self.outcomes if one.status == "failed"]


def ingest_files(
    repositories: Repositories,
    label: str,
    files: Iterable[str | Path],
    instrument_map: InstrumentMap | None = None,
    transfer: str = "copy",
    progress: Callable[[FileOutcome], None] | None = None,
    *,
    replace: bool = False,
) -> IngestReport:
    """Ingest raw frames. A file that fails leaves nothing of itself and does not stop the others.

    An exposure is one exposure, whatever file it comes in: a file of the same pixels and keywords is skipped, one that
    differs is refused, or replaces the other.

    Parameters
    ----------
    repositories
        The repositories of this process.
    label
        The repository to write.
    files
        Paths or URIs.
    instrument_map
        Map of the files' instrument, kept by the repository; default the one, of those that it keeps and those that
        ship, that matches each header.
    transfer
        How the datastore takes a file: ``copy``, ``link``, ``direct`` …, as `lsst.daf.butler.Butler.ingest` says.
    progress
        Called after each file.
    replace
        Whether a file takes the place of another one of its exposure and detector.

    Raises
    ------
    UsageError
        If the repository is unknown or remote, or the instrument map contradicts it.
    """
    if repositories.is_remote(label):
        raise UsageError(f"The repository {label!r} is remote and read-only. Ingest where it is.")
    report = IngestReport()
    with repositories.butler(label, writeable=True) as butler:
        frames = _Frames(butler, repositories.uri(label), instrument_map, transfer, replace=replace)
        for file in files:
            outcomes = frames.ingest(str(file))
            report.outcomes += outcomes
            if progress is not None:
                progress(outcomes[-1])
        if frames.records.has_new:
            repositories.rebuild(label)
    _log.info(
        "files_ingested",
        repo=label,
        ingested=len(report.ingested),
        skipped=len(report.skipped),
        failed=len(report.failed),
    )
    return report


class _Frames:
    """One ingest into one repository."""

    def __init__(
        self, butler: Butler, root: str, given: InstrumentMap | None, transfer: str, *, replace: bool = False
    ) -> None:
        self.butler = butler
        self.root = root
        self.maps = repository_maps(root) if given is None else [given]
        self.transfer = transfer
        self.replace = replace
        self.records = ExposureRecords(butler)
        self._registered: set[str] = set()

    def ingest(self, file: str) -> list[FileOutcome]:
        """Ingest one file, and say what became of it: of each detector, if it has several."""
        try:
            return self._ingest(file)
        except (UnderbutlerError, OSError) as error:
            return [FileOutcome(file, "failed", note=str(error))]
        except Exception as error:  # noqa: BLE001 - the registry and every transport have errors of their own
            _log.warning("ingest_failed", file=file, exc_info=True)
            return [FileOutcome(file, "failed", note=f"{type(error).__name__}: {error}")]

    def _ingest(self, file: str) -> list[FileOutcome]:
        from lsst.daf.butler import DataIdValueError
        from lsst.daf.butler.registry import ConflictingDefinitionError

        source = place_of(file)
        if not source.exists():
            raise UsageError(f"There is no file {file}.", file=file)
        if source.isdir():
            raise UsageError(f"{file} is a folder: give its files, for example {file}/*.fits.", file=file)
        with source.as_local() as local:
            given = self._read(file, source, Path(local.ospath))
            self._register(given.instrument)
            for tries_left in reversed(range(_RACE_TRIES)):
                try:
                    return self._enter(given)
                except (ConflictingDefinitionError, DataIdValueError):
                    # Another process brings the same exposure or detector in at this moment: look again.
                    if not tries_left:
                        raise
                    self.butler.registry.refresh()
        raise AssertionError("the last try returns or raises")

    def _read(self, file: str, source: ResourcePath, local: Path) -> _Given:
        """Read a file whole, through the map of its instrument."""
        parts, notes = raw_frame_parts(local)
        instrument = choose_map(parts[0].header, self.maps)
        stem = stem_of(source.basename())
        seen = [
            read_observation(members[0].header, stem, instrument, members[0].name)
            for members in parts_by_detector(parts, instrument).values()
        ]
        identity = own_identity(parts[0].header, stem)
        return _Given(file, source, local, instrument, seen, identity, "; ".join(notes))

    def _enter(self, given: _Given) -> list[FileOutcome]:
        """Bring the detectors of a file in that are not there yet."""
        found = [(seen, self._place(given, seen)) for seen in given.seen]
        new = [(seen, place) for seen, place in found if not place.is_there]
        if new:
            self._write(given, new)
        outcomes = []
        for seen, place in found:
            data_id = place.data_id(seen)
            words = [place.note, given.notes]
            if place.is_there and place.present is not None:
                words = [f"ingested before as {human_data_id(data_id)} ({place.present.id})"]
            status: Status = "skipped" if place.is_there else "replaced" if place.present is not None else "ingested"
            outcomes.append(FileOutcome(given.file, status, data_id, "; ".join(word for word in words if word)))
        return outcomes

    def _register(self, instrument: InstrumentMap) -> None:
        if instrument.name not in self._registered:
            self.records.has_new |= register_instrument(self.butler, instrument)
            keep_map(self.root, instrument)
            self._registered.add(instrument.name)

    def _place(self, given: _Given, seen: Observation) -> _Place:
        """Return where a frame belongs: its exposure id, what is there already, and what is to be said of it."""
        exposure = seen.exposure
        for _ in range(_CLASH_LIMIT):
            record = self.records.find("exposure", instrument=seen.instrument, exposure=exposure)
            if record is None:
                return _Place(exposure, note=_moved(seen, exposure))
            present = self._raw(seen, exposure)
            differences = record_differences(record, seen)
            if present is not None:
                stored = self._stored(given, seen, present)
                differences = _united(differences, frame_differences(stored, given.frame(seen), given.instrument))
                if not differences:
                    return _Place(exposure, present, is_there=True)
            elif not differences:
                return _Place(exposure, note=_moved(seen, exposure))
            elif not self._has_frames(seen, exposure):
                return _Place(exposure, note=_moved(seen, exposure), anew=True)
            if not seen.is_counted and self._is_another(given, record, present, seen):
                exposure = next_second(exposure)
                continue
            if present is None or not self.replace:
                raise _conflict(record, seen, exposure, differences, can_replace=present is not None)
            return _Place(exposure, present, anew=True, note=f"replaced: {'; '.join(differences)}")
        raise ConflictError(f"{_CLASH_LIMIT} exposures begin with {seen.exposure}; number them in the header.")

    def _is_another(self, given: _Given, record: Any, present: DatasetRef | None, seen: Observation) -> bool:
        """Tell whether a file says itself that it is another frame than the one whose exposure id it has."""
        header: Mapping[str, Any] = {}
        if present is not None:
            header = self._stored(given, seen, present).header
        stem = str(record.obs_id).removesuffix(f"-{record.id}")
        return given.identity.differs_from(own_identity(header, stem))

    def _stored(self, given: _Given, seen: Observation, present: DatasetRef) -> RawFrame:
        """Return the frame that is there, read as the one that comes."""
        with choosing_parts(lambda parts: parts_of_detector(parts, given.instrument, seen.detector)):
            stored: RawFrame = self.butler.get(present)
        return stored

    def _raw(self, seen: Observation, exposure: int) -> DatasetRef | None:
        if self.records.find("detector", instrument=seen.instrument, detector=seen.detector) is None:
            return None
        return self.butler.find_dataset(
            RAW,
            instrument=seen.instrument,
            exposure=exposure,
            detector=seen.detector,
            collections=[f"{seen.instrument}/raw"],
        )

    def _has_frames(self, seen: Observation, exposure: int) -> bool:
        """Tell whether any detector's frame of an exposure is there."""
        data_id = {"instrument": seen.instrument, "exposure": exposure}
        collection = f"{seen.instrument}/raw"
        return bool(self.butler.query_datasets(RAW, collections=collection, data_id=data_id, explain=False, limit=1))

    def _write(self, given: _Given, new: Sequence[tuple[Observation, _Place]]) -> None:
        replaced = [place.present for _, place in new if place.present is not None]
        with set_aside(self.butler, replaced), self.butler.transaction():
            from lsst.daf.butler import DatasetRef, FileDataset

            refs = []
            for seen, place in new:
                self.records.write(seen, given.instrument, place.exposure, anew=place.anew)
                coordinate: DataCoordinate = self.butler.registry.expandDataId(place.data_id(seen))
                dataset_type = self.butler.get_dataset_type(RAW)
                refs.append(DatasetRef(dataset_type, coordinate, run=given.instrument.raw_collection))
            self.butler.ingest(FileDataset(path=given.source, refs=refs), transfer=self.transfer)


@dataclass(frozen=True)
class _Given:
    """A file that is to be ingested."""

    file: str
    source: ResourcePath
    local: Path
    instrument: InstrumentMap
    seen: Sequence[Observation]
    identity: OwnIdentity
    notes: str

    def frame(self, seen: Observation) -> RawFrame:
        """Return the frame of one of its detectors."""
        with choosing_parts(lambda parts: parts_of_detector(parts, self.instrument, seen.detector)):
            return read_raw_frame(self.local)


@dataclass(frozen=True)
class _Place:
    """Where a frame belongs, and what is there."""

    exposure: int
    present: DatasetRef | None = None
    is_there: bool = False
    anew: bool = False
    note: str = ""

    def data_id(self, seen: Observation) -> dict[str, DataIdValue]:
        """Return the frame's data ID."""
        return {"instrument": seen.instrument, "exposure": self.exposure, "detector": seen.detector}


def _moved(seen: Observation, exposure: int) -> str:
    if exposure == seen.exposure:
        return ""
    return f"exposure {seen.exposure} is another frame's: this one is {exposure}"


def _united(records: Sequence[str], frames: Sequence[str]) -> list[str]:
    """Return differences, pixels first: those of records say in words what a keyword says too."""
    return [*frames, *records] if not frames or all("pixels" in one for one in frames) else list(frames)


def _conflict(
    record: Any, seen: Observation, exposure: int, differences: Sequence[str], *, can_replace: bool
) -> ConflictError:
    begin = record.timespan.begin.utc.isot
    cure = (
        "If this file is the better one, replace the other: --replace. If it is another exposure, give its file a "
        "number or an OBSID of its own, or name a counter in the map ([exposure] id)."
        if can_replace
        else "Correct its header, or give it an exposure id of its own."
    )
    return ConflictError(
        f"The repository has another frame of exposure={exposure} detector={seen.detector} {record.obs_id!r}, begun "
        f"{begin}. They differ in: {'; '.join(differences)}. {cure}",
        exposure=exposure,
        differences=list(differences),
    )
