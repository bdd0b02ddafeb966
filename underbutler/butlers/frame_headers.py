"""Headers of raw frames that a repository holds, without their pixels, and what the frames' masters are chosen by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import UsageError
from underbutler.instruments.extensions import parts_of_detector
from underbutler.instruments.header_scan import scan_parts
from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.instruments.layout import readout_of
from underbutler.instruments.master_choice import FrameFacts
from underbutler.instruments.readout import FramePart, IncompleteReadoutError
from underbutler.instruments.setups import Setup, read_setup
from underbutler.model.dataref import DataIdValue

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DataCoordinate, DatasetRef
    from lsst.resources import ResourcePath

__all__ = ["FrameHeader", "facts_of", "frame_facts", "frame_headers", "raw_refs"]

RAW: Final = "raw"
PAGE: Final = 500
"""How many exposures one query names."""
MANY: Final = 2000
"""More exposures of one detector than these are asked for by their range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameHeader:
    """The headers of one raw frame in a repository, or why they cannot be read.

    Parameters
    ----------
    ref
        The raw frame; its data ID has dimension records.
    parts
        The images of its file: of a file of several detectors, all of them.
    problem
        Why it cannot be read; empty if it could be.
    """

    ref: DatasetRef
    parts: tuple[FramePart, ...] = ()
    problem: str = ""

    def own_parts(self, instrument: InstrumentMap) -> tuple[FramePart, ...]:
        """Return the images of the frame's own detector; empty if the map does not say which they are."""
        try:
            own: tuple[FramePart, ...] = parts_of_detector(self.parts, instrument, int(self.ref.dataId["detector"]))
        except UsageError:
            return ()
        return own


def frame_headers(butler: Butler, refs: Iterable[DatasetRef]) -> list[FrameHeader]:
    """Read the headers of raw frames, and none of their pixels.

    Parameters
    ----------
    butler
        Butler of the repository that holds them.
    refs
        The frames.
    """
    known = list(refs)
    uris = butler.get_many_uris(known, predict=False, allow_missing=True) if known else {}
    return [_read_header(ref, uris.get(ref)) for ref in known]


def frame_facts(frame: FrameHeader, instrument: InstrumentMap) -> FrameFacts:
    """Return what the masters of a raw frame are chosen by.

    Parameters
    ----------
    frame
        The frame; its reference has dimension records.
    instrument
        Map of its instrument.
    """
    return facts_of(frame.ref.dataId, frame.own_parts(instrument), instrument)


def facts_of(data_id: DataCoordinate, parts: Sequence[FramePart], instrument: InstrumentMap) -> FrameFacts:
    """Return what the masters of a frame are chosen by: its data ID has dimension records."""
    record: Any = data_id.records["exposure"]
    span = record.timespan
    shapes, has_window = _light_of(parts, instrument, int(data_id["detector"]))
    return FrameFacts(
        setup=read_setup(parts[0].header, instrument, shapes) if parts else Setup(),
        seconds=float(record.exposure_time or 0.0),
        begin=span.nsec[0],
        end=max(span.nsec[1], span.nsec[0] + 1),
        has_window=has_window,
    )


def raw_refs(
    butler: Butler, data_ids: Iterable[Mapping[str, DataIdValue]], collections: Sequence[str]
) -> dict[tuple[str, int, int], DatasetRef]:
    """Return the raw frames of data IDs, with dimension records, by instrument, exposure and detector.

    Parameters
    ----------
    butler
        Butler of the repository.
    data_ids
        They name instrument, exposure and detector.
    collections
        Where the frames are.
    """
    exposures: dict[tuple[str, int], set[int]] = {}
    for one in data_ids:
        place = (str(one["instrument"]), int(one["detector"]))
        exposures.setdefault(place, set()).add(int(one["exposure"]))
    found: dict[tuple[str, int, int], DatasetRef] = {}
    for (instrument, detector), numbers in exposures.items():
        for where, bind in _pages(sorted(numbers)):
            refs = butler.query_datasets(
                RAW,
                collections=list(collections),
                data_id={"instrument": instrument, "detector": detector},
                where=where,
                bind=bind,
                with_dimension_records=True,
                limit=None,
                explain=False,
            )
            for ref in refs:
                if ref.dataId["exposure"] in numbers:
                    found[instrument, int(ref.dataId["exposure"]), detector] = ref
    return found


def _pages(exposures: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield conditions that together select exposures: lists of a few, or for many their range, which costs less."""
    if len(exposures) > MANY:
        yield "exposure >= low AND exposure <= high", {"low": exposures[0], "high": exposures[-1]}
        return
    for begin in range(0, len(exposures), PAGE):
        yield "exposure IN (:exposures)", {"exposures": list(exposures[begin : begin + PAGE])}


def _light_of(
    parts: Sequence[FramePart], instrument: InstrumentMap, detector: int
) -> tuple[list[tuple[int, int]], bool]:
    """Return the shape of a frame's light, and whether the window of the detector that it is is known.

    Where the map does not say which pixels are light, it is the shapes of the raw images.
    """
    if not parts:
        return [], False
    try:
        readout = readout_of(parts, instrument, detector)
    except IncompleteReadoutError:
        return [part.shape for part in parts], False
    return [readout.shape], readout.window is not None


def _read_header(ref: DatasetRef, uris: Any) -> FrameHeader:
    uri: ResourcePath | None = None if uris is None else uris.primaryURI
    if uri is None:
        return FrameHeader(ref=ref, problem="its file is gone from the datastore")
    try:
        with uri.open("rb") as stream:
            return FrameHeader(ref=ref, parts=scan_parts(stream))
    except (UsageError, OSError) as error:
        return FrameHeader(ref=ref, problem=str(error))
