"""How a detector is read out, as its instrument's map says it: keywords, constants, amplifiers, extensions."""

from __future__ import annotations

import fnmatch

from pydantic import Field, field_validator

from .keywords import Keyword, Table
from .sections import parse_section

__all__ = ["NO_SECTION", "Amplifier", "Constants", "Extensions", "FrameRule", "is_named"]

NO_SECTION = "none"
"""What a map says of a section that a camera does not have."""


class FrameRule(Table):
    """Keywords that a reduction needs."""

    gain: Keyword | None = None
    """Keyword of the gain in e-/ADU."""
    read_noise: Keyword | None = None
    """Keyword of the read noise in e-."""
    overscan: Keyword | None = None
    """Keyword of the overscan's section in the raw image."""
    trim: Keyword | None = None
    """Keyword of the light-sensitive section of the raw image."""
    saturation: Keyword | None = None
    """Keyword of the level, in ADU of the raw image, at and over which a pixel is saturated."""
    pedestal: Keyword | None = None
    """Keyword of what is added to every pixel, in ADU, to have counts that begin at zero: PEDESTAL."""
    place: Keyword | None = None
    """Keyword of the section of the detector that the light-sensitive pixels are, in unbinned pixels: DETSEC."""
    required: tuple[Keyword, ...] = ()
    """Keywords without which a frame is not ingested."""


class Constants(Table):
    """What a header does not say; a keyword of `FrameRule` that the header has wins over it."""

    gain: float | None = Field(None, gt=0)
    """Gain in e-/ADU."""
    read_noise: float | None = Field(None, ge=0)
    """Read noise in e-."""
    saturation: float | None = Field(None, gt=0)
    """Level, in ADU of the raw image, at and over which a pixel is saturated."""
    overscan: str | None = None
    """Section of the overscan, ``[x1:x2,y1:y2]`` in pixels of the raw image, or ``none``: the camera has none."""
    trim: str | None = None
    """Light-sensitive section of the raw image, or ``none``: all of it is."""
    place: str | None = None
    """Section of the detector that the light-sensitive pixels are, in unbinned pixels."""
    pixel_scale: float | None = Field(None, gt=0)
    """Width of an unbinned pixel on the sky in arcsec."""
    rotation: float | None = Field(None, ge=-360, le=360)
    """Position angle of the image's +y axis in degrees, from north to east."""
    mirrored: bool | None = None
    """Whether east is to the right where north is up."""

    @field_validator("overscan", "trim", "place")
    @classmethod
    def _section(cls, value: str | None) -> str | None:
        if value is None or value.strip().lower() == NO_SECTION:
            return None if value is None else NO_SECTION
        if parse_section(value, (1, 1)) is None:
            raise ValueError(
                f"{value!r} is neither a section such as [1:1024,1:1024] nor {NO_SECTION!r}; a keyword's name belongs "
                "into [frame]"
            )
        return value


class Amplifier(Table):
    """One amplifier: a part of an image, or an extension of its own.

    Its own keywords and constants come before those of the whole map.
    """

    name: str = Field(min_length=1, max_length=32)
    """Its name."""
    detector: int | None = Field(None, ge=0)
    """Detector that it reads; default every one."""
    extension: str | int | None = None
    """Image that holds it, by EXTNAME or number; default every image of the detector."""
    frame: FrameRule = FrameRule()
    """Its keywords."""
    constants: Constants = Constants()
    """What headers do not say of it."""


class Extensions(Table):
    """What the images of a file are that has several.

    All images of one detector are its amplifiers, and each is divided further where ``[[amplifiers]]`` says so.
    """

    images: tuple[str | int, ...] = ("*",)
    """Images that count, by EXTNAME (with ``*`` and ``?``) or number; others are left aside."""
    detectors: dict[str, int] = Field(default_factory=dict)
    """Detector by EXTNAME, where the keyword of ``[detector]`` does not say it in each image's header."""

    def counts(self, number: int, name: str) -> bool:
        """Tell whether an image counts."""
        return any(is_named(one, number, name) for one in self.images)


def is_named(pattern: str | int, number: int, name: str) -> bool:
    """Tell whether an image of a file is the one that a map names, by its number or its EXTNAME."""
    if isinstance(pattern, int):
        return pattern == number
    return fnmatch.fnmatchcase(name.strip().upper(), pattern.strip().upper())
