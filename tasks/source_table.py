"""The source table: its columns with units and meaning, what could not be measured, and what frame it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.table import Table

__all__ = ["DESCRIPTIONS", "NOT_MEASURED", "source_table"]

DESCRIPTIONS: dict[str, tuple[str | None, str]] = {
    "id": (None, "Number of the source, from 1, the brightest first"),
    "x": ("pix", "Windowed centroid, column, 0-based"),
    "y": ("pix", "Windowed centroid, row, 0-based"),
    "ra": ("deg", "Right ascension, ICRS"),
    "dec": ("deg", "Declination, ICRS"),
    "x_error": ("pix", "Standard deviation of x"),
    "y_error": ("pix", "Standard deviation of y"),
    "flux": ("electron", "Total flux: aperture flux, corrected to all light by the growth curve of the frame's stars"),
    "flux_error": ("electron", "Its standard deviation, without that of the correction"),
    "snr": (None, "Aperture flux over its standard deviation"),
    "mag_inst": ("mag", "Instrumental magnitude, -2.5 log10(flux in electrons per second)"),
    "mag_inst_error": ("mag", "Its standard deviation"),
    "flux_aperture": ("electron", "Aperture flux"),
    "aperture_radius": ("pix", "Radius of the aperture"),
    "flux_kron": ("electron", "Flux in 2.5 Kron radii"),
    "flux_kron_error": ("electron", "Its standard deviation"),
    "kron_radius": (None, "Kron radius in units of a and b"),
    "background": ("electron", "Sky under the source, in electrons per pixel, subtracted before photometry"),
    "peak": ("electron", "Highest pixel"),
    "fwhm": ("pix", "FWHM of the Gaussian that has the source's windowed second moments; NaN if noise hides it"),
    "ellipticity": (None, "1 - b/a of that Gaussian"),
    "extendedness": (
        None,
        "Standard deviations by which it is less concentrated than stars: 0 a star, over 3 a galaxy, under -3 a hit",
    ),
    "a": ("pix", "Standard deviation along the major axis"),
    "b": ("pix", "Standard deviation along the minor axis"),
    "theta": ("deg", "Angle of the major axis from +x to +y"),
    "n_pixels": (None, "Pixels over the threshold"),
    "parent": (None, "Id of the brightest source of the blend that it was deblended from, its own if it is that; or 0"),
    "flag_bad": (None, "Has a pixel that a calibration calls bad"),
    "flag_saturated": (None, "Has a saturated pixel"),
    "flag_cosmic_ray": (None, "Has a pixel that a cosmic ray hit"),
    "flag_interpolated": (None, "Has a pixel whose value was bridged from its neighbours"),
    "flag_edge": (None, "Touches the border, or its aperture reaches out of the frame"),
    "flag_no_data": (None, "Touches pixels without data, or its aperture does: its flux is not to be trusted"),
    "flag_blended": (None, "Was deblended from a neighbour"),
}
"""Unit and description of the source table's columns, in their order."""

UCDS: dict[str, str] = {
    "id": "meta.id;meta.main",
    "x": "pos.cartesian.x;instr.det",
    "y": "pos.cartesian.y;instr.det",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "x_error": "stat.error;pos.cartesian.x",
    "y_error": "stat.error;pos.cartesian.y",
    "flux": "phot.count;meta.main",
    "flux_error": "stat.error;phot.count;meta.main",
    "snr": "stat.snr",
    "mag_inst": "phot.mag",
    "mag_inst_error": "stat.error;phot.mag",
    "background": "instr.background",
    "fwhm": "phys.angSize;instr.det",
    "ellipticity": "src.ellipticity",
    "extendedness": "src.class.starGalaxy",
    "theta": "pos.posAng",
    "parent": "meta.id.parent",
}
"""What columns are, in words of the IVOA: TOPCAT finds positions and errors by them."""

NOT_MEASURED: dict[str, str] = {
    "ra": "the frame has no usable celestial world coordinates",
    "dec": "the frame has no usable celestial world coordinates",
    "mag_inst": "the exposure time is unknown or 0",
    "extendedness": "no star shows the point-spread function",
    "background": "no model of the sky was given",
}
"""Why a column may be NaN throughout, where it is not that noise hides it in every source."""


def source_table(
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    blends: npt.NDArray[np.int32],
    wcs: Any,
    seconds: float | None,
    meta: Mapping[str, Any],
) -> Table:
    """Return the source table, brightest first, with all columns of `DESCRIPTIONS`.

    Parameters
    ----------
    columns
        What was measured, by name, each of shape ``(n,)``; what is missing becomes NaN.
    blends
        Number of each source's blend, 0 for none.
    wcs
        World coordinates of the frame, or None.
    seconds
        Exposure time, for magnitudes.
    meta
        What the table's metadata say of the frame.
    """
    from astropy.table import Table

    order = np.argsort(-columns["flux"], kind="stable")
    values = {name: np.asarray(column)[order] for name, column in columns.items()}
    values["id"] = np.arange(1, len(order) + 1, dtype=np.int32)
    values["parent"] = _parents(blends[order], values["id"])
    values |= _positions(values["x"], values["y"], wcs) | _magnitudes(values["flux"], values["flux_error"], seconds)
    table = Table(meta=dict(meta))
    for name, (unit, description) in DESCRIPTIONS.items():
        column = values.get(name)
        if column is None or (column.dtype.kind == "f" and len(column) and np.isnan(column).all()):
            column = np.full(len(order), np.nan)
            reason = NOT_MEASURED.get(name, "noise hides it in every source")
            table.meta[f"{name}_not_measured"] = reason
            description = f"{description}. NaN: {reason}"  # noqa: PLW2901 - the same text, and why
        table[name] = column
        table[name].unit = unit
        table[name].description = description
        if name in UCDS:
            table[name].meta["ucd"] = UCDS[name]
    return table


def _parents(blends: npt.NDArray[np.int32], ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the id of the first, that is the brightest, source of each one's blend; 0 for none."""
    _, first, inverse = np.unique(blends, return_index=True, return_inverse=True)
    parents: npt.NDArray[np.int32] = np.where(blends > 0, ids[first][inverse], 0).astype(np.int32)
    return parents


def _positions(x: npt.NDArray[Any], y: npt.NDArray[Any], wcs: Any) -> dict[str, npt.NDArray[Any]]:
    """Return ``ra`` and ``dec``; nothing if there are no celestial coordinates, or they cannot be computed."""
    from astropy.wcs import WcsError

    if wcs is None or not wcs.has_celestial:
        return {}
    if not len(x):
        return {"ra": np.empty(0), "dec": np.empty(0)}
    try:
        sky = wcs.celestial
        if not _is_of_icrs(sky):
            position = sky.pixel_to_world(x, y).icrs
            return {"ra": position.ra.deg, "dec": position.dec.deg}
        world = sky.all_pix2world(x, y, 0)
    except (WcsError, ValueError):  # the sky is lost, and not the source
        return {}
    return {"ra": world[sky.wcs.lng] % 360.0, "dec": world[sky.wcs.lat]}


def _is_of_icrs(sky: Any) -> bool:
    """Tell whether world coordinates are right ascension and declination in ICRS, or in FK5 of J2000, within 0.1\"."""
    system, equinox = sky.wcs.radesys.strip().upper(), sky.wcs.equinox
    if not str(sky.wcs.lngtyp).startswith("RA"):  # galactic, say
        return False
    return system in ("", "ICRS") or (system == "FK5" and (np.isnan(equinox) or equinox == 2000.0))


def _magnitudes(flux: npt.NDArray[Any], error: npt.NDArray[Any], seconds: float | None) -> dict[str, npt.NDArray[Any]]:
    """Return magnitudes and their errors, NaN where the flux is not positive; no magnitudes without a time."""
    positive = np.where(flux > 0, flux, np.nan)
    found = {"mag_inst_error": 2.5 / np.log(10.0) * error / positive}
    if seconds is not None and seconds > 0:
        found["mag_inst"] = -2.5 * np.log10(positive / seconds)
    return found
