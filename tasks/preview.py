"""The picture for people: the image in a stretch that its own sky sets, with or without marks, and what it is of."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.pex.config import Config, Field, RangeField
from lsst.pipe.base import Struct, Task

from tasks.pictures.marks import (
    DEFECT,
    FAINT_INK,
    FLAGGED,
    HIT,
    INK,
    STAR,
    Colour,
    compass,
    font,
    is_flagged,
    legend,
    ring_sources,
    ruler,
)
from tasks.pictures.orientation import Orientation
from tasks.planes import has
from underbutler.pictures.stretch import coarse_enough, shades

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.table import Table

    from underbutler.butlers import CcdImage

__all__ = ["PreviewConfig", "PreviewTask"]

PAPER: Colour = (12, 14, 20)
SHADES = np.array([[6, 8, 18], [24, 34, 66], [72, 92, 134], [168, 182, 204], [255, 252, 244]], dtype=float)
"""Colours from the faintest to the brightest: night blue to warm white."""

TITLE_HEIGHT, FOOT_HEIGHT, MARGIN = 72, 34, 10
LEAST_WIDTH = 420
SHARPNESS = 2


class PreviewConfig(Config):
    """Size and stretch of the picture."""

    size = RangeField[int]("Longer side of the image in the picture, in px.", default=800, min=64, max=4096)
    softening = RangeField[float](
        "Where the stretch turns from linear to logarithmic, in standard deviations of the sky as it is drawn.",
        default=3.0,
        min=0.1,
    )
    brightest = RangeField[float]("Percentile of the pixels that is white.", default=99.7, min=50.0, max=100.0)
    doMarkSources = Field[bool]("Ring the sources in the marked picture?", default=True)


class PreviewTask(Task):
    """Draw a reduced image as PNG, with marks and without."""

    ConfigClass = PreviewConfig
    _DefaultName = "preview"

    def run(
        self,
        exposure: CcdImage,
        sources: Table,
        *,
        title: str,
        lines: Sequence[str] = (),
        orientation: Orientation | None = None,
    ) -> Struct:
        """Draw the pictures.

        Parameters
        ----------
        exposure
            Image of shape ``(ny, nx)``; its first row is at the bottom of the picture.
        sources
            The source table.
        title
            The first line over the picture.
        lines
            Up to two more lines.
        orientation
            How the image lies on the sky: arrows to north and east, and a scale in arcmin; None draws a scale in px.

        Returns
        -------
        struct
            ``marked`` and ``plain``, the bytes of two PNG files. In the plain one nothing is drawn over the image but
            arrows and scale.
        """
        from PIL import Image

        ny, nx = exposure.shape
        scale = self.config.size / max(ny, nx)
        values = coarse_enough(exposure.image, has(exposure.mask, "NO_DATA"), self.config.size)
        stretched = shades(values, softening=self.config.softening, brightest=self.config.brightest)
        shape = (max(1, round(nx * scale)), max(1, round(ny * scale)))
        plain = Image.fromarray(np.ascontiguousarray(_coloured(stretched)[::-1])).resize(
            shape, Image.Resampling.NEAREST
        )
        marked = Image.fromarray(np.ascontiguousarray(_tinted(plain, exposure)))
        if self.config.doMarkSources:
            overlay = Image.new("RGBA", (SHARPNESS * marked.width, SHARPNESS * marked.height))
            ring_sources(_draws(overlay), sources, scale, ny, sharpness=SHARPNESS)
            overlay = overlay.resize(marked.size, Image.Resampling.BOX)
            marked.paste(overlay, (0, 0), overlay)
        place = orientation or Orientation()
        return Struct(
            marked=_page(marked, title, lines, place, scale, _colours(exposure, sources)),
            plain=_page(plain, title, lines, place, scale, []),
        )


def _page(
    picture: Any,
    title: str,
    lines: Sequence[str],
    orientation: Orientation,
    scale: float,
    entries: Sequence[tuple[Colour, bool, str]],
) -> bytes:
    """Return the PNG file of a picture with its lines above, arrows and scale on it, and the legend below."""
    from PIL import Image

    width = max(picture.width + 2 * MARGIN, LEAST_WIDTH)
    left, bottom = (width - picture.width) // 2, TITLE_HEIGHT + picture.height
    page = Image.new("RGB", (width, bottom + FOOT_HEIGHT), PAPER)
    page.paste(picture, (left, TITLE_HEIGHT))
    draw = _draws(page)
    draw.text((MARGIN, 8), title, font=font(20), fill=INK)
    for number, line in enumerate(lines):
        draw.text((MARGIN, 33 + 17 * number), line, font=font(13), fill=FAINT_INK)
    ruler(draw, (left, bottom), picture.width, scale, orientation.scale)
    if orientation.north is not None and orientation.east is not None:
        compass(draw, (left + picture.width, bottom), orientation.north, orientation.east)
    legend(draw, float(MARGIN), page.height - FOOT_HEIGHT / 2, entries)
    stream = io.BytesIO()
    page.save(stream, format="PNG", compress_level=3)
    return stream.getvalue()


def _draws(picture: Any) -> Any:
    from PIL import ImageDraw

    return ImageDraw.Draw(picture)


def _coloured(stretched: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return shades as colours, shape ``(ny, nx, 3)``; where there is no data, the paper's."""
    empty = ~np.isfinite(stretched)
    pixels = _palette()[np.clip(np.where(empty, 0.0, stretched) * 255.0, 0, 255).astype(np.uint8)]
    pixels[empty] = PAPER
    return pixels


def _tinted(picture: Any, exposure: CcdImage) -> npt.NDArray[np.uint8]:
    """Return a picture whose defects and cosmic rays have their colours; binned, as much as there is of them."""
    from PIL import Image

    pixels = np.asarray(picture).astype(np.float32)
    scale = max(exposure.shape) / max(picture.size)
    for plane, colour in (("BAD", DEFECT), ("CR", HIT)):
        where = has(exposure.mask, plane)
        if where.any():
            way = Image.Resampling.BOX if scale > 1 else Image.Resampling.NEAREST
            share = Image.fromarray(np.ascontiguousarray(where[::-1]).astype(np.float32)).resize(picture.size, way)
            weight = np.minimum(np.asarray(share) * max(scale, 1.0), 1.0)[:, :, np.newaxis] * 0.75
            pixels = (1.0 - weight) * pixels + weight * np.array(colour, np.float32)
    return pixels.astype(np.uint8)


def _palette() -> npt.NDArray[np.uint8]:
    """Return 256 colours between the shades, shape ``(256, 3)``."""
    steps = np.linspace(0, len(SHADES) - 1, 256)
    return np.stack([np.interp(steps, np.arange(len(SHADES)), SHADES[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def _colours(exposure: CcdImage, sources: Table) -> list[tuple[Colour, bool, str]]:
    """Return the legend: what the colours mean, and how many there are of each."""
    n_flagged = int(np.count_nonzero(is_flagged(sources)))
    return [
        (STAR, True, f"{len(sources) - n_flagged} sources"),
        (FLAGGED, True, f"{n_flagged} flagged"),
        (HIT, False, f"{np.count_nonzero(has(exposure.mask, 'CR'))} cosmic-ray px"),
        (DEFECT, False, f"{np.count_nonzero(has(exposure.mask, 'BAD'))} bad px"),
    ]
