"""What headers, maps and configuration do not say of a frame's readout, and masters of another shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from tasks.master_windows import place_in_master
from underbutler.errors import UsageError
from underbutler.instruments.header_scan import scan_parts
from underbutler.instruments.layout import readout_faults, readout_of
from underbutler.instruments.readout import IncompleteReadoutError, Readout, ReadoutFault, ReadoutOverrides
from underbutler.pipe.findings import Finding

from .frames import Frame, group_words, targets_of

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

    from underbutler.butlers.frame_headers import FrameHeader
    from underbutler.butlers.masters import MapOf
    from underbutler.instruments.readout import FramePart

__all__ = ["MasterShapes", "Readouts"]

STANDING_IN: Final = {
    "isr.gain=…": "isr.gain=1",
    "isr.readNoise=…": "isr.readNoise=10",
    "isr.saturation=…": "isr.saturation=65535",
    "isr.exposureTime=…": "isr.exposureTime=1",
}
"""Values that let a frame be reduced of which nothing is known: to be replaced by those of the camera."""

Told = tuple[str, int, tuple[ReadoutFault, ...]]


class Readouts:
    """How the frames of a target list were read out.

    Parameters
    ----------
    frames
        The frames, each with its header or that of one like it.
    overrides
        What the configuration says.
    map_of
        Returns the map of an instrument.
    needs_seconds
        Whether the exposure time is needed.
    """

    def __init__(
        self,
        frames: Sequence[tuple[Frame, FrameHeader]],
        overrides: ReadoutOverrides,
        map_of: MapOf,
        *,
        needs_seconds: bool,
    ) -> None:
        self._overrides, self._map_of, self._needs_seconds = overrides, map_of, needs_seconds
        self._known: dict[int, tuple[Readout | None, tuple[ReadoutFault, ...]]] = {}
        self._frames = frames

    def faults(self) -> Iterator[Finding]:
        """Yield what is missing or does not fit, once for each group of frames that share it."""
        alike: dict[Told, list[Frame]] = defaultdict(list)
        for frame, header in self._frames:
            _, faults = self._of(frame, header)
            if faults:
                alike[frame.instrument, frame.detector, faults].append(frame)
        for (instrument, detector, faults), members in alike.items():
            for fault in faults:
                yield _finding(fault, members, group_words(members, instrument, detector))

    def of(self, frame: Frame, header: FrameHeader) -> Readout | None:
        """Return how a frame was read out; None if that is not known."""
        return self._of(frame, header)[0]

    def _of(self, frame: Frame, header: FrameHeader) -> tuple[Readout | None, tuple[ReadoutFault, ...]]:
        key = id(header.parts)  # of alike frames all have the parts of the first
        if key not in self._known:
            self._known[key] = self._looked_at(frame, header)
        return self._known[key]

    def _looked_at(self, frame: Frame, header: FrameHeader) -> tuple[Readout | None, tuple[ReadoutFault, ...]]:
        instrument = self._map_of(frame.instrument)
        parts: Sequence[FramePart] = header.parts if instrument is None else header.own_parts(instrument)
        if not parts:
            text = "The instrument's map does not say which images of the file are this detector's"
            cure = "Give a map that does: `underbutler instrument check`."
            return None, (ReadoutFault(keyword="", meaning="", problem=text, override="", cure=cure),)
        faults = readout_faults(parts, instrument, frame.detector, self._overrides)
        if faults:
            return None, tuple(faults)
        try:
            readout = readout_of(parts, instrument, frame.detector, self._overrides)
        except IncompleteReadoutError as error:
            return None, error.faults
        if self._needs_seconds and readout.seconds is None and readout.seconds_fault is not None:
            return None, (readout.seconds_fault,)
        return readout, ()


class MasterShapes:
    """Whether masters fit the readout of frames, by the headers of both.

    Parameters
    ----------
    butler
        It reads.
    """

    def __init__(self, butler: Butler) -> None:
        self._butler = butler
        self._known: dict[Any, FramePart | None] = {}
        self._told: dict[Any, str] = {}

    def misfit(self, name: str, master: DatasetRef, readout: Readout) -> str:
        """Return why a master does not fit a frame; empty if it does, or its file cannot be read."""
        key = (master.id, readout.shape, readout.window, readout.keywords.get("place"))
        if key not in self._told:
            self._told[key] = self._looked_at(name, master, readout)
        return self._told[key]

    def _looked_at(self, name: str, master: DatasetRef, readout: Readout) -> str:
        part = self._image(master)
        if part is None:
            return ""
        try:
            place_in_master(name, part.shape, part.header, readout)
        except UsageError as error:
            return str(error)
        return ""

    def _image(self, master: DatasetRef) -> FramePart | None:
        if master.id not in self._known:
            try:
                with self._butler.getURI(master).open("rb") as stream:
                    self._known[master.id] = scan_parts(stream)[0]
            except (UsageError, OSError, IndexError, LookupError):
                self._known[master.id] = None  # whoever reads it says what is wrong with it
        return self._known[master.id]


def _finding(fault: ReadoutFault, members: Sequence[Frame], group: str) -> Finding:
    override = STANDING_IN.get(fault.override, fault.override)
    note = f" Without it: -c {override}" if override else ""
    stands = " (a value that stands for what is not known: give your camera's)" if override != fault.override else ""
    return Finding(
        group=group,
        what=fault.problem[:1].lower() + fault.problem[1:].removesuffix("."),
        cure=f"{fault.cure}{note}{stands}.".strip() if note else fault.cure,
        targets=targets_of(members),
        example=members[0].data_id,
        overrides=(override,) if override else (),
    )
