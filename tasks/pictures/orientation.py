"""Where north and east are in a frame, and how large its pixels are: by its WCS, else by its camera's map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from underbutler.instruments.readout import Readout

__all__ = ["Orientation", "orientation_of"]

Direction: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How a frame lies on the sky.

    Parameters
    ----------
    scale
        Width of a pixel in arcsec, the root of its area; None if nobody says.
    north, east
        Unit vectors in the frame, x to the right and y upwards; None if nobody says.
    """

    scale: float | None = None
    north: Direction | None = None
    east: Direction | None = None


def orientation_of(
    wcs: Any, shape: tuple[int, int], readout: Readout | None = None, header: Mapping[str, Any] | None = None
) -> Orientation:
    """Return how a frame lies on the sky.

    Parameters
    ----------
    wcs
        World coordinates of the frame, or None.
    shape
        Its rows and columns: what is told is true of its middle.
    readout
        What the camera's map says, used where there are no coordinates; or None.
    header
        Its header, whose XBINNING and YBINNING count where the readout does not say the binning.
    """
    scale = _scale(wcs)
    if scale is not None:
        north, east = _directions(wcs.celestial, shape, scale) or (None, None)
        return Orientation(scale=scale, north=north, east=east)
    if readout is None:
        return Orientation()
    nominal = None
    if readout.pixel_scale is not None:
        nominal = readout.pixel_scale * math.sqrt(_binned_pixels(readout, header or {}))
    if readout.rotation is None or readout.mirrored is None:
        return Orientation(scale=nominal)
    angle, side = math.radians(readout.rotation), -1.0 if readout.mirrored else 1.0
    return Orientation(
        scale=nominal,
        north=(side * math.sin(angle), math.cos(angle)),
        east=(-side * math.cos(angle), math.sin(angle)),
    )


def _binned_pixels(readout: Readout, header: Mapping[str, Any]) -> float:
    """Return how many pixels of the detector make one of the image."""
    if readout.window is not None:
        return float(readout.window.binning[0] * readout.window.binning[1])
    words = [header.get(keyword) for keyword in ("XBINNING", "YBINNING")]
    return math.prod(float(word) if isinstance(word, int | float) and word >= 1 else 1.0 for word in words)


def _scale(wcs: Any) -> float | None:
    if wcs is None or not wcs.has_celestial:
        return None
    from astropy.wcs.utils import proj_plane_pixel_area

    scale = 3600.0 * math.sqrt(abs(float(proj_plane_pixel_area(wcs.celestial))))
    return scale if math.isfinite(scale) and scale > 0 else None


def _directions(wcs: Any, shape: tuple[int, int], scale: float) -> tuple[Direction, Direction] | None:
    """Return where declination and right ascension grow in the middle of a frame; None if that cannot be computed."""
    from astropy.wcs import WcsError

    if not str(wcs.wcs.lngtyp).startswith("RA") or wcs.wcs.lng != 0:
        return None  # galactic, say: north there is another one; or declination first
    step = 10.0 * scale / 3600.0
    middle = ((shape[1] - 1) / 2.0, (shape[0] - 1) / 2.0)
    try:
        ra, dec = (float(value) for value in wcs.all_pix2world(*middle, 0))
        sign = -1.0 if dec + step > 90.0 else 1.0
        north = wcs.all_world2pix(ra, dec + sign * step, 0)
        east = wcs.all_world2pix(ra + step / max(math.cos(math.radians(dec)), 1e-6), dec, 0)
    except (WcsError, ValueError):  # the picture goes without arrows
        return None
    found = _unit(north, middle, sign), _unit(east, middle, 1.0)
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _unit(end: Any, begin: tuple[float, float], sign: float) -> Direction | None:
    dx, dy = sign * (float(end[0]) - begin[0]), sign * (float(end[1]) - begin[1])
    length = math.hypot(dx, dy)
    return (dx / length, dy / length) if math.isfinite(length) and length > 0 else None
