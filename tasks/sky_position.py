"""World coordinates of a raw frame: taken where they can be used, and left out, with the reason, where they cannot."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

__all__ = ["celestial_wcs", "without_position"]

FARTHEST_PIXEL = 1e9
MOST_AXES = 4
WIDEST_PIXEL_DEG = 1.0
"""A pixel of this width or more is one whose scale was never set."""

WCS_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    AttributeError,
    ArithmeticError,
    OSError,
    MemoryError,  # what the library says of tables that it misses
)
"""What making and using a WCS of a header raises."""

SYSTEMS = ("RA", "GLON")
"""Longitudes whose positions are brought to ICRS."""

FRAMES = ("ICRS", "FK5", "FK4", "FK4-NO-E")
"""Values of RADESYS whose positions are brought to ICRS (FITS standard 4.0, table 26)."""

LARGEST_SIP_ORDER = 9
"""Order of the polynomials, as the SIP convention bounds it (Shupe et al. 2005, ASP 347, 491)."""

_POSITION = re.compile(
    r"WCSAXES|C(TYPE|RVAL|RPIX|UNIT|DELT|ROTA|NAME|RDER|SYER)\d|(CD|PC)\d_\d|L(ON|AT)POLE|RADESYS|PV\d_\d+|PS\d_\d+"
)
_NUMBER = re.compile(r"C(RVAL|RPIX|DELT|ROTA)[12]|(CD|PC)[12]_[12]|L(ON|AT)POLE|PV[12]_\d+")
_ORDER = re.compile(r"[AB]P?_ORDER")
_SCALE = re.compile(r"CDELT[12]|(CD|PC)[12]_[12]")
_TABLE = re.compile(r"(CPDIS|CQDIS|D2IMDIS)\d")
_DISTORTION = re.compile(r"[AB]P?_(ORDER|DMAX|\d+_\d+)")
_LATITUDE = re.compile(r"DEC-|[GESH]?LAT-|[A-Z]{2}LT-", re.IGNORECASE)
_SOURCE_LINE = re.compile(r"ERROR \d+ in \w+\(\) at line \d+ of file \S+ ")
_CELESTIAL = re.compile(r"RA--|DEC-|[GESH]?L(ON|AT)-|[A-Z]{2}L[NT]-", re.IGNORECASE)


def celestial_wcs(header: Any) -> tuple[Any, str | None]:
    """Return the celestial WCS of a header, or None and why it cannot be used.

    Parameters
    ----------
    header
        The frame's header. A frame that says nothing of the sky has neither a WCS nor a reason.

    Returns
    -------
    wcs, reason
        A WCS of two axes that places the frame's reference pixel on the sky, or None; and a reason, or None.
    """
    types = [str(header.get(f"CTYPE{axis}") or "").strip() for axis in (1, 2)]
    celestial = [bool(_CELESTIAL.match(one)) for one in types]
    if not any(celestial):
        return None, None
    if not all(celestial):
        return None, f"only one of the axes is of the sky: CTYPE1={types[0]!r}, CTYPE2={types[1]!r}"
    reason = next(chain(_card_faults(header), _position_faults(header)), None)
    if reason is not None:
        return None, reason
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _tried(header)
    except WCS_ERRORS as error:
        return None, _words(error)


def without_position(header: Any, wcs: Any) -> Any:
    """Return a header without the cards of a WCS that is used: trimming moves the WCS, and would not move them."""
    cards = header.copy()
    patterns = [_POSITION] + ([_DISTORTION] if wcs.sip is not None else [])
    for keyword in [word for word in cards if any(pattern.fullmatch(word) for pattern in patterns)]:
        cards.remove(keyword, ignore_missing=True)
    return cards


def _words(error: Exception) -> str:
    """Return what a library says, without the places in its own source."""
    text = _SOURCE_LINE.sub("", " ".join(str(error).split())).strip(" .")
    return text[:200] or type(error).__name__


def _card_faults(header: Any) -> Iterator[str]:
    """Yield what is wrong with single cards; some of these the WCS library takes for good, or takes memory for."""
    for keyword in header:
        value = header[keyword]
        if _NUMBER.fullmatch(keyword) and (isinstance(value, bool) or not isinstance(value, int | float)):
            yield f"{keyword}={value!r} is not a number"
        if _TABLE.fullmatch(keyword) and str(value).strip().upper() == "LOOKUP":
            yield f"{keyword} asks for lookup tables, which the image does not bring along"
        if _ORDER.fullmatch(keyword) and (not isinstance(value, int) or not 0 <= value <= LARGEST_SIP_ORDER):
            yield f"{keyword}={value!r} is not the order of a SIP polynomial"
    axes = header.get("WCSAXES", 2)
    if not isinstance(axes, int) or not 2 <= axes <= MOST_AXES:
        yield f"WCSAXES={axes!r} is not a number of axes of an image"


def _position_faults(header: Any) -> Iterator[str]:
    """Yield what is wrong with reference pixel, reference coordinates and scale, whose cards hold numbers."""
    lacking = [keyword for keyword in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2") if keyword not in header]
    if lacking:
        yield f"it has no {' and no '.join(lacking)}"
    if not any(_SCALE.fullmatch(keyword) for keyword in header):
        yield "it has no scale: neither CDELT1 and CDELT2 nor a CD or PC matrix"
    cd = [header[keyword] for keyword in header if re.fullmatch(r"CD[12]_[12]", keyword)]
    if cd and not any(cd):  # the library would take it for the unit matrix
        yield "its CD matrix is singular: all of it is 0"
    if cd and any(re.fullmatch(r"PC[12]_[12]", keyword) for keyword in header):
        yield "it has a CD and a PC matrix, and only one of them may be there"
    for axis in (1, 2):
        kind = str(header.get(f"CTYPE{axis}")).strip().upper()
        if abs(header.get(f"CRPIX{axis}", 0.0)) > FARTHEST_PIXEL:
            yield f"its reference pixel CRPIX{axis}={header[f'CRPIX{axis}']:g} is out of all reach"
        if kind.endswith("-TAB"):
            yield f"CTYPE{axis}={kind} asks for lookup tables, which the image does not bring along"
        in_degrees = str(header.get(f"CUNIT{axis}") or "deg").strip().lower().startswith("deg")
        if _LATITUDE.match(kind) and in_degrees and abs(header.get(f"CRVAL{axis}", 0.0)) > 90.0:
            yield f"CRVAL{axis}={header[f'CRVAL{axis}']:g} deg is beyond the pole"


def _tried(header: Any) -> tuple[Any, str | None]:
    """Return the WCS if it maps the reference pixel to the sky and back."""
    from astropy.wcs import WCS

    wcs = WCS(header)
    if not wcs.has_celestial:
        return None, "its axes are not a longitude and a latitude of one system"
    wcs = wcs if wcs.naxis == 2 else wcs.celestial
    reason = next(chain(_system_faults(wcs), _scale_faults(wcs), _mapping_faults(wcs)), None)
    if reason is not None:
        return None, reason
    wcs.to_header(relax=True)
    return wcs, None


def _system_faults(wcs: Any) -> Iterator[str]:
    """Yield why positions could not be brought to ICRS."""
    longitude, system = wcs.wcs.lngtyp.strip(), wcs.wcs.radesys.strip().upper()
    if longitude not in SYSTEMS:
        yield f"its axes are {longitude} and {wcs.wcs.lattyp.strip()}, which are not brought to right ascension"
    if longitude == "RA" and system not in ("", *FRAMES):
        yield f"RADESYS={system!r} is none of {', '.join(FRAMES)}"
    if not np.isfinite(wcs.wcs.crval).all() or abs(wcs.wcs.crval[wcs.wcs.lat]) > 90.0:
        yield f"its reference coordinates {wcs.wcs.crval.tolist()} are not on the sky"


def _scale_faults(wcs: Any) -> Iterator[str]:
    """Yield what is wrong with the matrix."""
    matrix = wcs.pixel_scale_matrix
    area = abs(float(np.linalg.det(matrix))) if np.isfinite(matrix).all() else 0.0
    if area < 1e-30:
        yield "its matrix is singular: both axes of the image run along one direction of the sky, or along none"
    if area >= WIDEST_PIXEL_DEG**2:
        yield f"a pixel would be {area**0.5:.3g} deg wide: its scale was never set"


def _mapping_faults(wcs: Any) -> Iterator[str]:
    """Yield why the reference pixel is not mapped to the sky and back."""
    near = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) + np.where(np.isfinite(wcs.wcs.crpix), wcs.wcs.crpix, np.nan)
    if not np.isfinite(wcs.all_pix2world(near, 1)).all():
        yield "it gives no coordinates at its reference pixel"
    back = wcs.wcs_world2pix(wcs.wcs_pix2world(near, 1), 1)
    if not np.allclose(back, near, atol=0.01):
        yield "it does not map its reference pixel to the sky and back"
