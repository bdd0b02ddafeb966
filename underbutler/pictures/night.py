"""The reduced frames of a night: which there are, and what their headers say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from underbutler.butlers.data_ids import instruments, unknown_collection
from underbutler.butlers.users_queries import check_length, faulty_query_told
from underbutler.errors import LostDatasetError, UsageError

from .stretch import binned, shades

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

__all__ = ["ReducedFrame", "evenly", "night_frames", "read_frame"]

Shades: TypeAlias = npt.NDArray[np.float32]

THUMBNAIL_PX = 220
SOFTENING, BRIGHTEST = 3.0, 99.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducedFrame:
    """One reduced frame, as a contact sheet shows it. What was not measured is None.

    Parameters
    ----------
    exposure, detector
        Of its data ID.
    begin
        UTC at the begin of exposure.
    target, filter_name
        What was looked at, and through what.
    seconds
        Exposure time in s.
    fwhm_px, fwhm_arcsec
        Full width at half maximum of its stars.
    sky_e
        Mean sky in electrons per pixel.
    n_sources
        How many sources were found.
    thumbnail
        Values from 0, black, to 1, white; the first row is at the bottom; shape ``(ny, nx)``.
    """

    exposure: int
    detector: int
    begin: datetime
    target: str = ""
    filter_name: str = ""
    seconds: float | None = None
    fwhm_px: float | None = None
    fwhm_arcsec: float | None = None
    sky_e: float | None = None
    n_sources: int | None = None
    thumbnail: Shades | None = field(default=None, repr=False, compare=False)


def night_frames(
    butler: Butler,
    day_obs: int,
    *,
    dataset_type: str = "calexp",
    collections: Sequence[str] = (),
    task: str | None = None,
    where: str = "",
) -> list[DatasetRef]:
    """Return the reduced images of an observing day, in the order in which they were taken.

    Parameters
    ----------
    butler
        Of the repository.
    day_obs
        The observing day, ``20261120``.
    dataset_type
        Of the images.
    collections
        Where to look, the first that has a frame; empty: every RUN, of which the newest counts for each frame.
    task
        Only RUNs of this task, by their name; not with `collections`.
    where
        One more condition, in the Butler's query language.

    Raises
    ------
    LostDatasetError
        If there are none.
    UsageError
        If the condition cannot be asked, a collection does not exist, or the type is not one of images.
    """
    check_length(where)
    found = [
        ref for name in instruments(butler) for ref in _asked(butler, name, day_obs, dataset_type, collections, where)
    ]
    if task is not None:
        found = [ref for ref in found if f"/{task}/" in ref.run]
    newest: dict[Any, DatasetRef] = {}
    for ref in sorted(found, key=lambda one: one.run.rpartition("/")[2]):  # a RUN's last part begins with its time
        newest[ref.dataId] = ref
    kind = found[0].datasetType.storageClass_name if found else "CcdImage"
    if kind != "CcdImage":
        raise UsageError(f"{dataset_type} is a {kind}, and a night is drawn of reduced images, such as calexp.")
    if not newest:
        places = ", ".join(collections) or (f"RUNs of {task}" if task else "any collection")
        raise LostDatasetError(
            f"No {dataset_type} of the observing day {day_obs} in {places}. Reduce the night first, for example "
            f'underbutler submit processCcd LABEL -d "day_obs = {day_obs}", or name another --collections.',
            dataset_type=dataset_type,
            day_obs=day_obs,
        )
    return sorted(newest.values(), key=lambda ref: (_begin(ref), int(ref.dataId.get("detector", 0))))


def _asked(
    butler: Butler, instrument: str, day_obs: int, dataset_type: str, collections: Sequence[str], where: str
) -> list[DatasetRef]:
    """Return the images of one instrument: the Butler's days are days of an instrument."""
    from lsst.daf.butler import MissingCollectionError, MissingDatasetTypeError

    condition = "instrument = of AND day_obs = night" + (f" AND ({where})" if where else "")
    try:
        with faulty_query_told(butler, where):
            refs: list[DatasetRef] = butler.query_datasets(
                dataset_type,
                collections=list(collections) or "*",
                find_first=bool(collections),
                where=condition,
                bind={"of": instrument, "night": day_obs},
                with_dimension_records=True,
                explain=False,
                limit=None,
            )
            return refs
    except MissingDatasetTypeError:
        return []
    except MissingCollectionError as error:
        known = set(butler.collections.query("*"))
        raise unknown_collection(butler, [name for name in collections if name not in known]) from error


def read_frame(butler: Butler, ref: DatasetRef) -> ReducedFrame:
    """Return what the sheet shows of a frame: its header and its image are read.

    Raises
    ------
    LostDatasetError
        If its file is gone.
    """
    try:
        header = butler.get(ref.makeComponentRef("header"))
        image = np.asarray(butler.get(ref.makeComponentRef("image")), dtype=np.float32)
    except FileNotFoundError as error:
        raise LostDatasetError(
            f"The artifact of {ref.datasetType.name} {ref.dataId} in {ref.run} is gone from the datastore: {error}. "
            "Reduce that frame again.",
            dataset=str(ref.id),
        ) from error
    small = binned(image, ~np.isfinite(image), THUMBNAIL_PX)
    record = ref.dataId.records["exposure"]
    assert record is not None
    return ReducedFrame(
        exposure=int(ref.dataId["exposure"]),
        detector=int(ref.dataId.get("detector", 0)),
        begin=_begin(ref),
        target=str(record.target_name or "").strip(),
        filter_name=str(record.physical_filter or "").strip(),
        seconds=_number(record.exposure_time),
        fwhm_px=_number(header.get("FWHM")),
        fwhm_arcsec=_number(header.get("SEEING")),
        sky_e=_number(header.get("SKYLEVEL")),
        n_sources=None if _number(header.get("NSOURCES")) is None else int(header["NSOURCES"]),
        thumbnail=np.clip(np.nan_to_num(shades(small, softening=SOFTENING, brightest=BRIGHTEST)), 0.0, 1.0),
    )


def evenly(refs: Sequence[DatasetRef], most: int) -> Iterator[DatasetRef]:
    """Yield at most so many, spread evenly over all."""
    for number in np.unique(np.linspace(0, len(refs) - 1, min(most, len(refs))).round().astype(int)):
        yield refs[number]


def _begin(ref: DatasetRef) -> datetime:
    record = ref.dataId.records["exposure"]
    begin = None if record is None or record.timespan is None else record.timespan.begin
    if begin is None:
        return datetime.fromtimestamp(0, UTC)
    moment: datetime = begin.utc.to_datetime()
    return moment.replace(tzinfo=UTC)


def _number(value: Any) -> float | None:
    """Return a header's value as a number, or None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
