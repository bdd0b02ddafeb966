"""Shape and type of the image in a file, from its header, for a descriptor to say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from underbutler.telemetry.logs import get_logger

from .specs import FITS, PNG, spec_of

__all__ = ["FileLayout", "layout_of"]

log = get_logger(__name__)

_DIMS = {2: ("y", "x"), 3: ("plane", "y", "x")}
_BANDS = {"L": (), "RGB": (3,), "RGBA": (4,)}


@dataclass(frozen=True, slots=True)
class FileLayout:
    """What the handler of a file is going to return.

    Parameters
    ----------
    shape
        Of the array.
    dtype
        As numpy writes it: ``<f4``.
    dims
        Names of its axes.
    """

    shape: tuple[int, ...]
    dtype: str
    dims: tuple[str, ...]


def layout_of(path: Path) -> FileLayout | None:
    """Return what the image of a local file looks like; None for one without an image that our handlers read."""
    spec = spec_of(path.name)
    try:
        if spec == FITS:
            return _of_fits(path)
        if spec == PNG:
            return _of_png(path)
    except Exception as error:  # noqa: BLE001 - the file is delivered all the same, and read without a promise
        log.warning("layout_unknown", path=str(path), error=f"{type(error).__name__}: {error}")
    return None


def _of_fits(path: Path) -> FileLayout:
    from .fits_section import FitsSection

    handler = FitsSection(str(path))
    try:
        layout = handler.layout()
    finally:
        handler.close()
    return FileLayout(layout.shape, layout.dtype.str, _DIMS.get(len(layout.shape), ()))


def _of_png(path: Path) -> FileLayout | None:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as picture:
        bands = _BANDS.get(picture.mode)
        width, height = picture.size
    if bands is None:
        return None
    return FileLayout((height, width, *bands), "|u1", ("y", "x", *(("band",) if bands else ())))
