"""What Rubin's astro_metadata_translator reads of a header: of DECam, HSC, MegaPrime, SDSS, and of plugins' cameras.

A plugin is found by the entry-point group ``astro_metadata_translators``. Nothing is fetched: the corrections of
headers come with the package, and a site that only a list in the network knows costs the position.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from underbutler.errors import UsageError

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["Translated", "translate", "translator_cameras", "translator_of"]

_WANTED: Final = {
    "instrument",
    "exposure_id",
    "datetime_begin",
    "exposure_time",
    "physical_filter",
    "observation_type",
    "object",
    "tracking_radec",
    "detector_num",
}
_REQUIRED: Final = {"instrument", "exposure_id", "datetime_begin", "exposure_time", "observation_type", "detector_num"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A header, translated.

    Parameters
    ----------
    instrument
        The camera.
    exposure, detector
        Integers of the data ID.
    begin
        Begin of the exposure.
    seconds
        Exposure time in seconds.
    physical_filter
        The filter; empty: none is said.
    observation_type
        As the translator names it.
    target
        Name of the object, or empty.
    ra, dec
        ICRS position in degrees, or None.
    """

    instrument: str
    exposure: int
    detector: int
    begin: Time
    seconds: float
    physical_filter: str
    observation_type: str
    target: str
    ra: float | None
    dec: float | None


def translator_cameras() -> list[str]:
    """Return the translators that are for one camera each, by name: those of the package, and of plugins."""
    return sorted(name for name, one in _translators().items() if getattr(one, "supported_instrument", None))


def translator_of(header: Mapping[str, Any]) -> str | None:
    """Return the name of the translator that is for a header, None if there is none."""
    cards = _plain(header)
    return next((name for name, one in _translators().items() if _knows(one, cards)), None)


def _knows(translator: Any, cards: Mapping[str, Any]) -> bool:
    try:
        return bool(translator.can_translate(cards))
    except Exception:  # noqa: BLE001 - a plugin that stumbles over a foreign header does not know it
        return False


def translate(header: Mapping[str, Any], translator: str, extension: str = "") -> Translated:
    """Translate a header.

    Parameters
    ----------
    header
        Cards of one image, over those of the primary header.
    translator
        Name of the translator.
    extension
        EXTNAME of the image, by which some translators tell the detector; the header of a file that was read lacks it.

    Raises
    ------
    UsageError
        If the translator is not installed, or the header lacks what it needs.
    """
    from astro_metadata_translator import ObservationInfo
    from astropy.utils.data import conf

    known = _translators()
    if translator not in known:
        raise UsageError(
            f"No translator is called {translator!r}. Known: {', '.join(sorted(known))}. Install its package."
        )
    try:
        # Positions ask for the site, which astropy would fetch a list for.
        with warnings.catch_warnings(), conf.set_temp("allow_internet", False):
            warnings.simplefilter("ignore")
            info = ObservationInfo(
                _plain(header) | ({"EXTNAME": extension} if extension else {}),
                translator_class=known[translator],
                required=_REQUIRED,
                subset=_WANTED,
                quiet=True,
            )
    except Exception as error:
        raise UsageError(
            f"The translator of {translator} does not read this header: {error}. Correct the header, or give a map of "
            "your own: --instrument-map FILE."
        ) from error
    assert info.exposure_id is not None and info.detector_num is not None and info.exposure_time is not None  # noqa: PT018
    position = info.tracking_radec
    return Translated(
        instrument=str(info.instrument),
        exposure=int(info.exposure_id),
        detector=int(info.detector_num),
        begin=info.datetime_begin,
        seconds=float(info.exposure_time.to_value("s")),
        physical_filter=str(info.physical_filter or "").strip(),
        observation_type=str(info.observation_type).strip().lower(),
        target=str(info.object or "").strip(),
        ra=None if position is None else float(position.icrs.ra.deg),
        dec=None if position is None else float(position.icrs.dec.deg),
    )


@cache
def _translators() -> dict[str, Any]:
    """Return the translators by name: those of the package, and of plugins."""
    from astro_metadata_translator import MetadataTranslator

    for point in entry_points(group="astro_metadata_translators"):
        point.load()  # a class registers itself when its module is imported
    return {name: one for name, one in MetadataTranslator.translators.items() if isinstance(name, str)}


def _plain(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cards as a dictionary, which a translator may correct; cards without a value are left out."""
    cards = {keyword: header[keyword] for keyword in dict.fromkeys(header) if keyword not in ("", "COMMENT", "HISTORY")}
    return {keyword: value for keyword, value in cards.items() if type(value).__name__ not in ("Undefined", "NoneType")}
