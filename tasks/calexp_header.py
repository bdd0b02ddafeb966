"""What a calexp says of itself without a Butler: FITS cards of how it was made, and what was measured in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeAlias

from underbutler.instruments.header_values import is_bare_date
from underbutler.version import __version__

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from underbutler import DataRef

__all__ = ["CARDS", "add_measurements", "add_notes", "add_origin", "frame_metadata"]

Value: TypeAlias = "str | int | float | bool"

CARDS: dict[str, str] = {
    "BUNIT": "unit of the pixels of IMAGE",
    "GAIN": "[electron/electron] of this image; see RAWGAIN",
    "RAWGAIN": "[electron/adu] gain that was applied",
    "RDNOISE": "[electron] read noise in the variance",
    "OVERSUB": "is the overscan level subtracted?",
    "RONMEAS": "[electron] read noise that the overscan shows",
    "RAWSATUR": "[adu] saturation level of the raw frame",
    "SATURATE": "[electron] the same in this image, over the sky",
    "EXPTIME": "[s] exposure time",
    "PIXSCALE": "[arcsec/pixel] scale of the image",
    "FWHM": "[pixel] full width at half maximum of stars",
    "SEEING": "[arcsec] full width at half maximum of stars",
    "SKYLEVEL": "[electron] mean sky per pixel",
    "SKYRMS": "[electron] its standard deviation",
    "SKYSUB": "is the sky subtracted from IMAGE?",
    "NSOURCES": "number of sources in the table src",
    "NPSFSTAR": "number of stars that show the PSF",
    "APCOR": "total flux over aperture flux of a star",
    "APCORERR": "its standard deviation",
    "NSATPIX": "number of saturated pixels",
    "NBADPIX": "number of bad pixels",
    "NCRPIX": "number of pixels hit by cosmic rays",
    "INSTRUME": "instrument",
    "OBJECT": "what was looked at",
    "FILTER": "physical filter",
    "DATE-OBS": "UTC at the begin of exposure",
    "TIMESYS": "time scale of DATE-OBS",
    "OBSTYPE": "kind of exposure",
    "CREATOR": "software that made this file",
    "UBTASK": "task of Underbutler",
    "UBREPO": "label of the Butler repository",
    "UBEXP": "exposure in the Butler",
    "UBDET": "detector in the Butler",
    "UBRUN": "RUN collection",
    "UBCONFIG": "config's SHA-256, 32 digits",
    "BIASUSED": "RUN of the master bias",
    "BIASUUID": "UUID of the master bias",
    "DARKUSED": "RUN of the master dark",
    "DARKUUID": "UUID of the master dark",
    "FLATUSED": "RUN of the master flat",
    "FLATUUID": "UUID of the master flat",
}
"""Comments of the cards that a calexp has besides those of its raw frame.

``UBVERn`` hold versions of packages, ``UBNOTEn`` what was done otherwise than expected.
"""

PACKAGES = ("astropy", "numpy", "scipy", "ccdproc", "astroscrappy", "sep", "lsst-daf-butler")
"""Packages whose versions stand in the header; the RUN has those of all."""

STALE = ("DATE", "DATAMIN", "DATAMAX", "CHECKSUM", "DATASUM", "BLANK")
"""Cards of a raw file that are not true of another one."""

CARD_ROOM = 80 - len("KEYWORD = '' / ")

META: dict[str, str] = {
    "instrument": "INSTRUME",
    "exposure": "UBEXP",
    "detector": "UBDET",
    "object": "OBJECT",
    "filter": "FILTER",
    "date_obs": "DATE-OBS",
    "exposure_time_s": "EXPTIME",
    "gain_e_per_adu": "RAWGAIN",
    "read_noise_e": "RDNOISE",
    "saturation_e": "SATURATE",
    "pixel_scale_arcsec": "PIXSCALE",
    "fwhm_px": "FWHM",
    "seeing_arcsec": "SEEING",
    "sky_e": "SKYLEVEL",
    "sky_rms_e": "SKYRMS",
    "aperture_correction": "APCOR",
    "n_psf_stars": "NPSFSTAR",
    "creator": "CREATOR",
    "run": "UBRUN",
    "config_digest": "UBCONFIG",
    "bias_uuid": "BIASUUID",
    "dark_uuid": "DARKUUID",
    "flat_uuid": "FLATUUID",
}
"""Metadata of the source table, and the card that says the same."""


def add_measurements(header: Header, values: Mapping[str, Any]) -> None:
    """Write cards of `CARDS` with their comments, in place; a value that is None or not finite takes its card away.

    Parameters
    ----------
    header
        Header of the reduced image.
    values
        By keyword.
    """
    for keyword in STALE:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    for keyword, value in values.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            header.remove(keyword, ignore_missing=True, remove_all=True)
        else:
            header[keyword] = (_rounded(value), _fitting(CARDS[keyword], value))


def add_notes(header: Header, notes: Iterable[str]) -> None:
    """Write what is to be said of a reduction into the cards ``UBNOTEn``, in place; those that are there go.

    Parameters
    ----------
    header
        Header of the reduced image.
    notes
        Sentences; a long one takes CONTINUE cards.
    """
    for keyword in [word for word in header if word.startswith("UBNOTE")]:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    for number, note in enumerate(notes, start=1):
        text = " ".join(note.encode("ascii", "replace").decode().split())
        header[f"UBNOTE{number}"] = (text, "said of the reduction")


def add_origin(header: Header, dataRef: DataRef, *, task: str, config_digest: str, masters: Iterable[str]) -> None:
    """Write the cards that only the Butler can tell: RUN, configuration, masters, and what the raw header left out.

    Parameters
    ----------
    header
        Header of the reduced image, changed in place.
    dataRef
        The frame; if it is bound, it tells the UUIDs of the masters that it read.
    task
        Name of the task.
    config_digest
        SHA-256 of its configuration.
    masters
        Which of ``bias``, ``dark`` and ``flat`` were read.
    """
    own = {
        "CREATOR": f"underbutler {__version__}",
        "UBTASK": task,
        "UBREPO": dataRef.repo,
        "UBEXP": dataRef.data_id.get("exposure"),
        "UBDET": dataRef.data_id.get("detector"),
        "UBRUN": getattr(dataRef, "run", None),
        "UBCONFIG": config_digest[:32],
    }
    used = set(masters)
    for name in ("bias", "dark", "flat"):
        origin = _origin_of(dataRef, name) if name in used else None
        own[f"{name.upper()}USED"] = "none" if name not in used else ("unknown" if origin is None else origin[1])
        own[f"{name.upper()}UUID"] = None if origin is None else str(origin[0])
    add_measurements(header, _known_to_the_butler(header, dataRef) | own)
    for number, (package, version) in enumerate(_versions().items(), start=1):
        header[f"UBVER{number}"] = (f"{package} {version}", "version of a package")


def frame_metadata(header: Header) -> dict[str, Value]:
    """Return what a source table says of its frame: those values of `META` that the header has, and its notes."""
    notes = {f"note_{word.removeprefix('UBNOTE')}": header[word] for word in header if word.startswith("UBNOTE")}
    return {name: header[keyword] for name, keyword in META.items() if keyword in header} | notes


def _rounded(value: Any) -> Any:
    """Return a number with 7 digits, which is what was measured; anything else as it is."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _fitting(comment: str, value: Any) -> str:
    """Return as many words of a comment as a card of 80 characters has room for beside a text."""
    room = CARD_ROOM - len(value.replace("'", "''")) if isinstance(value, str) else len(comment)
    words = comment.split()
    while words and 0 < room < len(" ".join(words)):
        words.pop()
    return " ".join(words)


def _origin_of(dataRef: DataRef, name: str) -> Any:
    """Return UUID and RUN of a dataset that a reference has read; None if it cannot tell."""
    origin_of = getattr(dataRef, "origin_of", None)  # a reference to plain files has none
    return None if origin_of is None else origin_of(name)


def _known_to_the_butler(header: Header, dataRef: DataRef) -> dict[str, Any]:
    """Return cards that the raw frame wrote under other names, or not at all, as the exposure's record has them."""
    butler = getattr(dataRef, "getButler", None)
    if butler is None:
        return {}
    names = {key: dataRef.data_id[key] for key in ("instrument", "exposure")}
    record = butler().registry.expandDataId(names).records["exposure"]
    begin = None if record.timespan is None else record.timespan.begin
    known = {
        "INSTRUME": record.instrument,
        "OBJECT": record.target_name,
        "FILTER": record.physical_filter,
        "OBSTYPE": record.observation_type,
        "EXPTIME": record.exposure_time,
        "DATE-OBS": None if begin is None else begin.utc.isot,
        "TIMESYS": None if begin is None else "UTC",
    }
    absent = {name for name in known if str(header.get(name, "")).strip() == ""}
    absent |= {"DATE-OBS", "TIMESYS"} if is_bare_date(header.get("DATE-OBS")) else set()
    if "DATE-OBS" not in absent:
        absent.discard("TIMESYS")
    return {name: value for name, value in known.items() if name in absent and value is not None}


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # a source tree without its metadata
            continue
    return found
