"""Raw frames into a repository: each file is checked whole before anything of it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from underbutler.errors import ConflictError, UnderbutlerError, UsageError
from underbutler.instruments.instrument_map import InstrumentMap, choose_map
from underbutler.instruments.observation import Observation, next_second, read_observation
from underbutler.model.dataref import DataIdValue, human_data_id
from underbutler.telemetry.logs import get_logger

from .raw_frames import raw_header
from .repositories import Repositories
from .repository import RAW, keep_map, register_instrument, repository_maps

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef
    from lsst.resources import ResourcePath

__all__ = ["FileOutcome", "IngestReport", "ingest_files"]

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
        ``ingested``, ``skipped`` (it is there already) or ``failed``.
    data_id
        Its data ID, once known.
    note
        Why it was skipped or failed, or what was done otherwise than expected.
    """

    file: str
    status: Literal["ingested", "skipped", "failed"]
    data_id: dict[str, DataIdValue] | None = None
    note: str = ""


@dataclass
class IngestReport:
    """What became of all files, in their order."""

    outcomes: list[FileOutcome] = field(default_factory=list)

    @property
    def ingested(self) -> list[FileOutcome]:
        """Files that are new in the repository."""
        return [one for one in self.outcomes if one.status == "ingested"]

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
) -> IngestReport:
    """Ingest raw frames. A file that fails leaves nothing of itself and does not stop the others.

    Parameters
    ----------
    repositories
        The repositories of this process.
    label
        The repository to write.
    files
        Paths or URIs. The same file again is skipped.
    instrument_map
        Map of the files' instrument, kept by the repository; default the one, of those that it keeps and those that
        ship, that matches each header.
    transfer
        How the datastore takes a file: ``copy``, ``link``, ``direct`` …, as `lsst.daf.butler.Butler.ingest` says.
    progress
        Called after each file.

    Raises
    ------
    UsageError
        If the repository is unknown or remote, or the instrument map contradicts it.
    """
    if repositories.is_remote(label):
        raise UsageError(f"The repository {label!r} is remote and read-only. Ingest where it is.")
    report = IngestReport()
    with repositories.butler(label, writeable=True) as butler:
        frames = _Frames(butler, repositories.uri(label), instrument_map, transfer)
        for file in files:
            outcome = frames.ingest(str(file))
            report.outcomes.append(outcome)
            if progress is not None:
                progress(outcome)
        if frames.has_new_records:
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

    def __init__(self, butler: Butler, root: str, given: InstrumentMap | None, transfer: str) -> None:
        self.butler = butler
        self.root = root
        self.maps = repository_maps(root) if given is None else [given]
        self.transfer = transfer
        self.has_new_records = False
        self._registered: set[str] = set()
        self._known: set[tuple[str, str, object]] = set()

    def ingest(self, file: str) -> FileOutcome:
        """Ingest one file, and say what became of it."""
        try:
            return self._ingest(file)
        except (UnderbutlerError, OSError) as error:
            return FileOutcome(file, "failed", note=str(error))
        except Exception as error:  # noqa: BLE001 - the registry and every transport have errors of their own
            _log.warning("ingest_failed", file=file, exc_info=True)
            return FileOutcome(file, "failed", note=f"{type(error).__name__}: {error}")

    def _ingest(self, file: str) -> FileOutcome:
        from lsst.daf.butler import DataIdValueError
        from lsst.daf.butler.registry import ConflictingDefinitionError
        from lsst.resources import ResourcePath

        source = ResourcePath(file, forceAbsolute=True)
        if not source.exists():
            raise UsageError(f"There is no file {file}.", file=file)
        if source.isdir():
            raise UsageError(f"{file} is a folder: give its files, for example {file}/*.fits.", file=file)
        with source.as_local() as local:
            header = raw_header(local.ospath)
        instrument = choose_map(header, self.maps)
        seen = read_observation(header, _stem(source), instrument)
        self._register(instrument)
        for tries_left in reversed(range(_RACE_TRIES)):
            try:
                return self._enter(file, source, seen, instrument)
            except (ConflictingDefinitionError, DataIdValueError):
                # Another process brings the same exposure or detector in at this moment: look again at what is there.
                if not tries_left:
                    raise
                self.butler.registry.refresh()
        raise AssertionError("the last try returns or raises")

    def _enter(self, file: str, source: ResourcePath, seen: Observation, instrument: InstrumentMap) -> FileOutcome:
        exposure, note, present = self._exposure(seen, source)
        data_id: dict[str, DataIdValue] = {
            "instrument": seen.instrument,
            "exposure": exposure,
            "detector": seen.detector,
        }
        if present is not None:
            return FileOutcome(file, "skipped", data_id, f"ingested before as {human_data_id(data_id)} ({present.id})")
        self._write(source, seen, instrument, data_id)
        return FileOutcome(file, "ingested", data_id, note)

    def _register(self, instrument: InstrumentMap) -> None:
        if instrument.name not in self._registered:
            register_instrument(self.butler, instrument)
            keep_map(self.root, instrument)
            self._registered.add(instrument.name)

    def _exposure(self, seen: Observation, source: ResourcePath) -> tuple[int, str, DatasetRef | None]:
        """Return the exposure id of a file, what is to be said of it, and the dataset if the file is there already."""
        exposure = seen.exposure
        for _ in range(_CLASH_LIMIT):
            record = self._record("exposure", instrument=seen.instrument, exposure=exposure)
            if record is None:
                break
            present = self._raw(seen, exposure)
            if present is None and _is_same_exposure(record, seen):
                break
            if present is not None and self._is_same_content(present, source):
                return exposure, "", present
            if seen.is_counted:
                raise ConflictError(
                    f"The repository has another frame of exposure={exposure} detector={seen.detector} "
                    f"{record.obs_id!r}, begun {record.timespan.begin.utc.isot}. Number the exposures differently, or "
                    "remove the other one.",
                    exposure=exposure,
                )
            exposure = next_second(exposure)
        else:
            raise ConflictError(f"{_CLASH_LIMIT} exposures begin with {seen.exposure}; number them in the header.")
        is_moved = exposure != seen.exposure
        note = f"exposure {seen.exposure} is another frame's: this one is {exposure}" if is_moved else ""
        return exposure, note, None

    def _raw(self, seen: Observation, exposure: int) -> DatasetRef | None:
        if self._record("detector", instrument=seen.instrument, detector=seen.detector) is None:
            return None
        return self.butler.find_dataset(
            RAW,
            instrument=seen.instrument,
            exposure=exposure,
            detector=seen.detector,
            collections=[f"{seen.instrument}/raw"],
        )

    def _record(self, element: str, **data_id: DataIdValue) -> Any:
        found = self.butler.query_dimension_records(element, data_id=data_id, explain=False)
        return found[0] if found else None

    def _is_same_content(self, present: DatasetRef, source: ResourcePath) -> bool:
        stored = self.butler.getURI(present)
        if stored == source:
            return True
        return bool(stored.size() == source.size()) and _sha256(stored) == _sha256(source)

    def _write(
        self, source: ResourcePath, seen: Observation, instrument: InstrumentMap, data_id: dict[str, DataIdValue]
    ) -> None:
        from lsst.daf.butler import DatasetRef, FileDataset

        butler = self.butler
        with butler.transaction():
            for element, record in self._records(seen, instrument, int(data_id["exposure"])):
                butler.registry.insertDimensionData(element, record, skip_existing=True)
            coordinate: DataCoordinate = butler.registry.expandDataId(dict(data_id))
            ref = DatasetRef(butler.get_dataset_type(RAW), coordinate, run=instrument.raw_collection)
            butler.ingest(FileDataset(path=source, refs=[ref]), transfer=self.transfer)

    def _records(
        self, seen: Observation, instrument: InstrumentMap, exposure: int
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the dimension records that a frame needs and that the repository may lack, parents first."""
        own = {"instrument": seen.instrument}
        detector = own | {
            "id": seen.detector,
            "full_name": instrument.detector_name(seen.detector),
            "purpose": "SCIENCE",
        }
        physical_filter = own | {"name": seen.physical_filter, "band": seen.band}
        for element, key, record in (
            ("detector", seen.detector, detector),
            ("physical_filter", seen.physical_filter, physical_filter),
            ("day_obs", seen.day_obs, own | {"id": seen.day_obs, "timespan": _day(seen.day_obs, instrument)}),
        ):
            known = (seen.instrument, element, key)
            if known in self._known:
                continue
            if self._record(element, instrument=seen.instrument, **{element: key}) is None:
                self.has_new_records |= element != "day_obs"
                yield element, record  # known only when it is seen again: this one may be rolled back
            else:
                self._known.add(known)
        if self._record("exposure", instrument=seen.instrument, exposure=exposure) is None:
            yield "group", own | {"name": str(exposure)}
            yield "exposure", own | self._exposure_record(seen, exposure)

    def _exposure_record(self, seen: Observation, exposure: int) -> dict[str, Any]:
        from astropy.time import TimeDelta
        from lsst.daf.butler import Timespan

        end = seen.begin.tai + TimeDelta(seen.seconds, format="sec")
        return {
            "id": exposure,
            "obs_id": self._obs_id(seen, exposure),
            "physical_filter": seen.physical_filter,
            "group": str(exposure),
            "day_obs": seen.day_obs,
            "exposure_time": seen.seconds,
            "dark_time": seen.seconds,
            "observation_type": seen.observation_type,
            "target_name": seen.target,
            "tracking_ra": seen.ra,
            "tracking_dec": seen.dec,
            "timespan": Timespan(seen.begin.tai, end),
        }

    def _obs_id(self, seen: Observation, exposure: int) -> str:
        """Return the file's stem; with the exposure if a camera has used that file name before."""
        stem = seen.stem[:64]
        others = self.butler.query_dimension_records(
            "exposure",
            instrument=seen.instrument,
            where="exposure.obs_id = stem",
            bind={"stem": stem},
            explain=False,
        )
        return stem if not others else f"{seen.stem[: 63 - len(str(exposure))]}-{exposure}"


def _is_same_exposure(record: Any, seen: Observation) -> bool:
    """Tell whether a frame is another detector's of an exposure that is known."""
    begins = abs((record.timespan.begin - seen.begin.tai).sec) < 1.0
    return bool(
        begins
        and record.physical_filter == seen.physical_filter
        and record.observation_type == seen.observation_type
        and abs(record.exposure_time - seen.seconds) < 1e-3
    )


def _day(day_obs: int, instrument: InstrumentMap) -> Any:
    from astropy.time import Time, TimeDelta
    from lsst.daf.butler import Timespan

    text = f"{day_obs // 10000:04d}-{day_obs // 100 % 100:02d}-{day_obs % 100:02d}T00:00:00"
    begin = Time(text, format="isot", scale="tai") + TimeDelta(instrument.site_offset_hours * 3600.0, format="sec")
    return Timespan(begin, begin + TimeDelta(86400.0, format="sec"))


def _stem(source: ResourcePath) -> str:
    return str(source.basename()).split(".", maxsplit=1)[0] or "frame"


def _sha256(file: ResourcePath) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
