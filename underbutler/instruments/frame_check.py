"""What a map reads of a frame, and what is missing: as values, before any repository exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from underbutler.errors import UsageError

from .extensions import parts_by_detector
from .header_values import is_bare_date, is_driver_setting, number_of, text_of, value_of
from .instrument_map import InstrumentMap
from .layout import readout_faults, readout_of
from .observation import Observation, read_observation
from .readout import FramePart, Readout
from .setups import Setup, read_setup

__all__ = ["FrameCheck", "check_frame"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCheck:
    """One detector of one file, read through a map.

    Parameters
    ----------
    instrument
        Name of the instrument.
    observation
        What the registry would know; None if that cannot be read.
    readout
        How the detector was read out; None if something of it is missing.
    setup
        What a master has to share with it.
    refused
        Why it would not be ingested; empty: it would be.
    missing
        What a reduction would miss.
    notes
        What is to be known of the values.
    """

    instrument: str
    observation: Observation | None = None
    readout: Readout | None = None
    setup: Setup = field(default_factory=Setup)
    refused: str = ""
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the frame can be ingested and reduced."""
        return not self.refused and not self.missing


def check_frame(parts: Sequence[FramePart], stem: str, instrument: InstrumentMap) -> list[FrameCheck]:
    """Read a frame through a map, one answer for each detector.

    Parameters
    ----------
    parts
        The images of the file.
    stem
        Its name without folder and extension.
    instrument
        The map; one for any camera becomes that of the frame's camera.
    """
    if not parts:
        return [FrameCheck(instrument=instrument.name, refused="The file holds no two-dimensional image.")]
    try:
        own = instrument.of_frame(parts[0].header)
        detectors = parts_by_detector(parts, own)
    except UsageError as error:
        return [FrameCheck(instrument=instrument.name, refused=str(error))]
    return [_check(members, stem, own, detector) for detector, members in detectors.items()]


def _check(parts: Sequence[FramePart], stem: str, instrument: InstrumentMap, detector: int) -> FrameCheck:
    observation, refused = None, ""
    if not instrument.matches(parts[0].header):
        patterns = ", ".join(f"{keyword}={pattern!r}" for keyword, pattern in instrument.match.items())
        refused = f"The frame is not of {instrument.name}: its header does not have {patterns}."
    else:
        try:
            observation = read_observation(parts[0].header, stem, instrument, parts[0].name)
        except UsageError as error:
            refused = str(error)
    faults = readout_faults(parts, instrument, detector)
    return FrameCheck(
        instrument=instrument.name,
        observation=observation,
        readout=None if faults else readout_of(parts, instrument, detector),
        setup=read_setup(parts[0].header, instrument, [part.shape for part in parts]),
        refused=refused,
        missing=tuple(str(fault) for fault in faults),
        notes=tuple(_notes(parts[0], instrument, observation)),
    )


def _notes(part: FramePart, instrument: InstrumentMap, observation: Observation | None) -> Iterator[str]:
    header, frame = part.header, instrument.frame
    said = value_of(header, "GAIN")
    if said is not None and frame.gain is None and instrument.constants.gain is None:
        if value_of(header, "EGAIN") is None:
            taken = "" if is_driver_setting(number_of(said)) else ", and a reduction takes it for e-/ADU"
            yield (
                f"GAIN={said} is a setting of the driver, as far as the map tells{taken}. If it is in e-/ADU, say so "
                'there: [frame] gain = "GAIN"; if it is a setting, give the gain: [constants] gain = …, which '
                "`underbutler instrument measure` finds from two flats and two biases."
            )
        else:
            yield f"EGAIN is the gain in e-/ADU; GAIN={said} is the driver's setting."
    elif said is not None and frame.gain != "GAIN":
        yield f"GAIN={said} is the driver's setting, by which masters are chosen; it is not the gain in e-/ADU."
    begin = value_of(header, instrument.exposure.date)
    is_midnight = observation is not None and observation.begin.utc.isot.endswith("T00:00:00.000")
    if is_midnight and instrument.translator is None and is_bare_date(begin):
        yield f"{instrument.exposure.date}={begin} has no time of day, and no other keyword says it: 0 h is taken."
    if value_of(header, "DATE-LOC") is not None:
        yield "DATE-LOC is the local time, and is not read."
    if value_of(header, "PEDESTAL") is not None and frame.pedestal is None:
        yield 'PEDESTAL is not read: the map does not name it ([frame] pedestal = "PEDESTAL").'
    if text_of(header, "ROWORDER"):
        yield f"ROWORDER={text_of(header, 'ROWORDER')}: only masters of the same row order are taken."
    if observation is not None and observation.band == "unknown" and observation.physical_filter != "unknown":
        yield f"The filter {observation.physical_filter!r} has no band: [observation.bands] does not name it."
    if observation is not None and observation.observation_type == "unknown":
        yield f"The kind of frame {text_of(header, instrument.observation.type)!r} is not one of [observation.types]."
