"""Raw frames of the shapes that cameras write, of which every electron is known: no noise, so that sums are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from underbutler.instruments.instrument_map import InstrumentMap

ROWS, COLUMNS, STRIP = 20, 24, 6
GAIN, READ_NOISE, BIAS = 2.0, 5.0, 1000.0
LIGHT_E = 400.0
"""Electrons of every pixel, but for those of the corner that `scene` brightens."""
CORNER_E = 4000.0


def camera(**tables: Any) -> InstrumentMap:
    """Return a map of the camera that these frames are of."""
    base: dict[str, Any] = {
        "name": "CAM",
        "match": {"INSTRUME": "CAM"},
        "exposure": {"id": "EXPID"},
        "observation": {
            "types": {"object": "science", "bias": "bias", "flat": "flat"},
            "filter": "FILTER",
            "target": "OBJECT",
        },
    }
    return InstrumentMap.model_validate(base | tables)


def scene() -> np.ndarray:
    """Return electrons: level, and brighter in the corner of the first two rows and columns, to see orientations."""
    electrons = np.full((ROWS, COLUMNS), LIGHT_E)
    electrons[:2, :2] = CORNER_E
    return electrons


def counts(electrons: np.ndarray | None = None, strip: int = STRIP) -> np.ndarray:
    """Return counts in ADU: light over a bias that rises by 1 ADU each row, and the overscan to its right."""
    light = scene() if electrons is None else electrons
    frame = np.zeros((light.shape[0], light.shape[1] + strip))
    frame[:, : light.shape[1]] = light / GAIN
    frame += BIAS + np.arange(light.shape[0])[:, np.newaxis]
    return frame.astype(np.uint16)


def cards(**changes: Any) -> fits.Header:
    """Return the header of such a frame; a card of None is left out."""
    values: dict[str, Any] = {
        "INSTRUME": "CAM",
        "IMAGETYP": "object",
        "EXPTIME": 30.0,
        "EXPID": 1,
        "DATE-OBS": "2026-11-20T20:00:00",
        "FILTER": "R",
        "OBJECT": "field",
        "GAIN": GAIN,
        "RDNOISE": READ_NOISE,
        "BIASSEC": f"[{COLUMNS + 1}:{COLUMNS + STRIP},1:{ROWS}]",
        "TRIMSEC": f"[1:{COLUMNS},1:{ROWS}]",
    }
    changes = {key.replace("__", "-"): value for key, value in changes.items()}
    return fits.Header([(key, value) for key, value in (values | changes).items() if value is not None])


def write(path: Path, data: np.ndarray | None = None, header: fits.Header | None = None) -> Path:
    """Write a frame of one image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.PrimaryHDU(counts() if data is None else data, cards() if header is None else header)
    hdu.writeto(path, overwrite=True, output_verify="ignore")
    return path


def write_amplifiers(path: Path, *, gains: tuple[float, ...] = (2.0, 4.0), backwards: bool = False, **own: Any) -> Path:
    """Write a frame of two amplifiers side by side, each an extension with its own gain, sections and place.

    With `backwards` the second one is read out from its right end, as its place says.
    """
    width = COLUMNS // 2
    names = ("GAIN", "BIASSEC", "TRIMSEC")
    hdus: list[Any] = [fits.PrimaryHDU(None, cards(**dict.fromkeys(names)))]
    for number, gain in enumerate(gains):
        light = scene()[:, number * width : (number + 1) * width]
        turned = backwards and number == 1
        frame = np.zeros((ROWS, width + STRIP))
        frame[:, :width] = (light[:, ::-1] if turned else light) / gain
        frame += BIAS + 100 * number
        first, last = number * width + 1, (number + 1) * width
        place = f"[{last}:{first},1:{ROWS}]" if turned else f"[{first}:{last},1:{ROWS}]"
        values = {"GAIN": gain, "TRIMSEC": f"[1:{width},1:{ROWS}]", "DETSEC": place}
        values["BIASSEC"] = f"[{width + 1}:{width + STRIP},1:{ROWS}]"
        header = fits.Header([(key, value) for key, value in (values | own).items() if value is not None])
        hdus.append(fits.ImageHDU(frame.astype(np.uint16), header, name=f"AMP{number + 1}"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path
