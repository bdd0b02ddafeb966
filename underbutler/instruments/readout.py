"""How one detector of one raw file was read out: amplifiers, sections, gain, and what is missing to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from underbutler.errors import UsageError

from .sections import Box, Window

__all__ = [
    "AmplifierReadout",
    "FramePart",
    "IncompleteReadoutError",
    "Overscan",
    "Readout",
    "ReadoutFault",
    "ReadoutOverrides",
    "plane_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePart:
    """One image of a raw file, without its pixels.

    Parameters
    ----------
    number
        Number of the HDU in the file.
    name
        Its EXTNAME, or an empty text.
    shape
        Rows and columns.
    header
        Its header, over the primary one.
    """

    number: int
    name: str
    shape: tuple[int, int]
    header: Any

    def __str__(self) -> str:
        ny, nx = self.shape
        return f"{self.number} {self.name or 'without a name'} ({nx} columns x {ny} rows)"


def plane_of(shape: Sequence[int]) -> tuple[int, int] | None:
    """Return rows and columns of an image of which all other axes have the length 1; None if it is not a plane.

    Parameters
    ----------
    shape
        Lengths of its axes, the slowest first.
    """
    axes = list(shape)
    while len(axes) > 2 and 1 in axes:
        axes.remove(1)
    return (axes[0], axes[1]) if len(axes) == 2 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overscan:
    """Where an amplifier's bias level is read, and how.

    Parameters
    ----------
    box
        The strip, in pixels of the raw image.
    of_rows
        Whether each row has a level of its own (a strip beside the light), or each column (a strip above or below).
    """

    box: Box
    of_rows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AmplifierReadout:
    """How one amplifier was read out.

    Parameters
    ----------
    name
        Its name in the map, or that of its image; empty for the only one of a frame.
    part
        Number of the HDU that holds it.
    data
        Light-sensitive pixels, in pixels of the raw image.
    overscan
        Its overscan, or None.
    place
        Where `data` lies in the assembled image.
    flips_rows, flips_columns
        Whether `data` is turned over on its way there.
    gain
        In e-/ADU.
    read_noise
        In e-.
    saturation
        Level in ADU, at and over which a raw pixel is saturated.
    pedestal
        What is added to every pixel, in ADU, to have counts that begin at zero; an overscan makes it needless.
    """

    name: str
    part: int
    data: Box
    overscan: Overscan | None
    place: Box
    flips_rows: bool = False
    flips_columns: bool = False
    gain: float
    read_noise: float
    saturation: float
    pedestal: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """How one detector of one file was read out.

    Parameters
    ----------
    amplifiers
        Its amplifiers; their places fill the assembled image.
    shape
        Rows and columns of the assembled image.
    window
        Which pixels of the whole detector the assembled image is; None if no keyword says.
    seconds
        Exposure time in seconds, or None if nothing says it.
    seconds_fault
        What is missing then; only a dark needs it.
    keywords
        Keyword that each value was read from: ``gain``, ``read_noise``, ``overscan``, ``trim``, ``saturation``,
        ``place``, ``seconds``.
    pixel_scale
        Width of an unbinned pixel on the sky in arcsec, or None.
    rotation
        Position angle of the image's +y axis in degrees, from north to east, or None.
    mirrored
        Whether east is to the right where north is up, or None.
    """

    amplifiers: tuple[AmplifierReadout, ...]
    shape: tuple[int, int]
    window: Window | None = None
    seconds: float | None = None
    seconds_fault: ReadoutFault | None = None
    keywords: Mapping[str, str] = field(default_factory=dict)
    pixel_scale: float | None = None
    rotation: float | None = None
    mirrored: bool | None = None

    def exposure_time(self) -> float:
        """Return the exposure time in seconds.

        Raises
        ------
        IncompleteReadoutError
            If nothing says it.
        """
        if self.seconds is None:
            raise IncompleteReadoutError([self.seconds_fault] if self.seconds_fault else [])
        return self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutOverrides:
    """What a task's configuration says instead of header and map; None leaves it to them.

    Parameters
    ----------
    gain, read_noise, saturation, seconds
        Values, as in `Readout`.
    overscan, trim
        Sections, as FITS writes them.
    keywords
        Keywords to read instead of the map's, by the names of `Readout.keywords`.
    do_overscan
        Whether an overscan is wanted.
    do_trim
        Whether a light-sensitive section is wanted.
    """

    gain: float | None = None
    read_noise: float | None = None
    saturation: float | None = None
    seconds: float | None = None
    overscan: str | None = None
    trim: str | None = None
    keywords: Mapping[str, str] = field(default_factory=dict)
    do_overscan: bool = True
    do_trim: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutFault:
    """One thing that is missing, or does not fit.

    Parameters
    ----------
    keyword
        Card that should say it.
    meaning
        What it tells: ``gain in e-/ADU``.
    problem
        The sentence that says what is wrong, without its end: ``has no GAIN (gain in e-/ADU)``.
    override
        What ``-c`` takes to do without: ``isr.gain=…``.
    cure
        A sentence that says what else can be done.
    """

    keyword: str
    meaning: str
    problem: str
    override: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.problem}. {self.cure}".rstrip()


class IncompleteReadoutError(UsageError, KeyError):
    """A raw frame does not say how it was read out.

    Parameters
    ----------
    faults
        Everything that is missing or does not fit.
    """

    def __init__(self, faults: Sequence[ReadoutFault]) -> None:
        self.faults = tuple(faults)
        overrides = list(dict.fromkeys(fault.override for fault in faults if fault.override))
        if len(self.faults) == 1:
            text = str(self.faults[0])
        else:
            listed = "; ".join(f"({n}) {fault.problem}" for n, fault in enumerate(self.faults, start=1))
            line = f" Give them at once with -c {' '.join(overrides)}, or say them" if overrides else " Say them"
            text = (
                f"{len(self.faults)} things that a reduction needs are missing or do not fit: {listed}.{line} in the "
                "instrument's map."
            )
        super().__init__(text, keyword=[fault.keyword for fault in self.faults], setting=overrides)
