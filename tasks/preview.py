"""The picture for people: the image in an asinh stretch, sources circled, defects tinted, a title over it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from lsst.pex.config import Config, Field, RangeField
from lsst.pipe.base import Task

from tasks.planes import has

if TYPE_CHECKING:
    import numpy.typing as npt
    from astropy.table import Table
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from underbutler.butlers import CcdImage

__all__ = ["PreviewConfig", "PreviewTask"]

Colour = tuple[int, int, int]

PAPER: Colour = (12, 14, 20)
INK: Colour = (232, 234, 240)
FAINT_INK: Colour = (140, 148, 165)
STAR: Colour = (255, 186, 73)
FLAGGED: Colour = (255, 92, 92)
DEFECT: Colour = (64, 156, 255)
HIT: Colour = (214, 84, 222)
SHADES = np.array([[6, 8, 18], [24, 34, 66], [72, 92, 134], [168, 182, 204], [255, 252, 244]], dtype=float)
"""Colours from the faintest to the brightest: night blue to warm white."""

TITLE_HEIGHT, FOOT_HEIGHT, MARGIN = 54, 34, 10
LEAST_RADIUS = 11.0  # of a mark, in half px


class PreviewConfig(Config):
    """Size and stretch of the picture."""

    size = RangeField[int]("Longer side of the image in the picture, in px.", default=800, min=64, max=4096)
    softening = RangeField[float](
        "Where the stretch turns from linear to logarithmic, in sky sigmas.", default=3.0, min=0.1
    )
    brightest = RangeField[float]("Percentile of the pixels that is white.", default=99.7, min=50.0, max=100.0)
    doMarkSources = Field[bool]("Circle the sources?", default=True)


class PreviewTask(Task):
    """Draw a PNG of a reduced image."""

    ConfigClass = PreviewConfig
    _DefaultName = "preview"

    def run(self, exposure: CcdImage, sources: Table, *, level: float, rms: float, title: str, subtitle: str) -> bytes:
        """Draw the picture.

        Parameters
        ----------
        exposure
            Image of shape ``(ny, nx)``; north is where it is, the first row is at the bottom.
        sources
            The source table.
        level, rms
            The image's sky level (0 once the background is subtracted) and its standard deviation.
        title, subtitle
            The two lines over the picture.

        Returns
        -------
        png
            The bytes of the PNG file.
        """
        from PIL import Image, ImageDraw

        picture, scale = self._image(exposure, level, rms)
        width = max(picture.width + 2 * MARGIN, 420)
        left = (width - picture.width) // 2
        page = Image.new("RGB", (width, TITLE_HEIGHT + picture.height + FOOT_HEIGHT), PAPER)
        page.paste(picture, (left, TITLE_HEIGHT))
        draw = ImageDraw.Draw(page)
        n_flagged = 0
        if self.config.doMarkSources:
            overlay = Image.new("RGBA", (2 * picture.width, 2 * picture.height))  # twice as large: smooth circles
            n_flagged = _mark_sources(ImageDraw.Draw(overlay), sources, 2 * scale, exposure.image.shape[0])
            overlay = overlay.resize(picture.size, Image.Resampling.BOX)
            page.paste(overlay, (left, TITLE_HEIGHT), overlay)
        _write_lines(draw, title, subtitle)
        _write_legend(draw, page.height - FOOT_HEIGHT // 2, len(sources) - n_flagged, n_flagged, exposure)
        stream = io.BytesIO()
        page.save(stream, format="PNG", compress_level=3)
        return stream.getvalue()

    def _image(self, exposure: CcdImage, level: float, rms: float) -> tuple[Image, float]:
        """Return the stretched, tinted image in its size, and how much larger than the frame it is."""
        from PIL import Image

        stretched = self._stretched(exposure.image - np.float32(level), rms)
        indices = np.clip(stretched * 255.0, 0, 255).astype(np.uint8)
        pixels = _palette()[indices]
        for where, colour in ((has(exposure.mask, "BAD"), DEFECT), (has(exposure.mask, "CR"), HIT)):
            pixels[where] = (0.25 * pixels[where] + 0.75 * np.array(colour)).astype(np.uint8)
        ny, nx = indices.shape
        scale = self.config.size / max(nx, ny)
        size = (max(1, round(nx * scale)), max(1, round(ny * scale)))
        way = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
        return Image.fromarray(np.ascontiguousarray(pixels[::-1])).resize(size, way), scale

    def _stretched(self, image: npt.NDArray[np.float32], rms: float) -> npt.NDArray[np.float32]:
        """Return values from 0 (2 sigma under the sky) to 1 (the brightest percentile).

        The stretch is asinh: Lupton et al. 1999, AJ 118, 1406.
        """
        soft = max(self.config.softening * rms, 1e-6)
        low = -2.0 * rms
        high = max(float(np.percentile(image[::4, ::4], self.config.brightest)), 20.0 * soft)
        floor, ceiling = np.arcsinh(low / soft), np.arcsinh(high / soft)
        stretched: npt.NDArray[np.float32] = (np.arcsinh(image / np.float32(soft)) - floor) / (ceiling - floor)
        return stretched


def _palette() -> npt.NDArray[np.uint8]:
    """Return 256 colours between the shades, shape ``(256, 3)``."""
    steps = np.linspace(0, len(SHADES) - 1, 256)
    return np.stack([np.interp(steps, np.arange(len(SHADES)), SHADES[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def _mark_sources(draw: ImageDraw, sources: Table, scale: float, ny: int) -> int:
    """Draw an ellipse of three Gaussian widths around each source; return how many are flagged."""
    names = ("flag_bad", "flag_saturated", "flag_edge", "flag_cosmic_ray")
    flagged = np.logical_or.reduce([np.asarray(sources[name], bool) for name in names])
    turn = np.linspace(0.0, 2.0 * np.pi, 49)
    for x, y, a, b, theta, flag in zip(
        *(np.asarray(sources[name], float) for name in ("x", "y", "a", "b", "theta")), flagged, strict=True
    ):
        along = np.maximum(3.0 * a * scale, LEAST_RADIUS) * np.cos(turn)
        across = np.maximum(3.0 * b * scale, LEAST_RADIUS) * np.sin(turn)
        angle = np.radians(theta)
        px = (x + 0.5) * scale + along * np.cos(angle) - across * np.sin(angle)
        py = (ny - y - 0.5) * scale - along * np.sin(angle) - across * np.cos(angle)
        colour = (*(FLAGGED if flag else STAR), 235)
        draw.line(list(zip(px.tolist(), py.tolist(), strict=True)), fill=colour, width=3, joint="curve")
    return int(np.count_nonzero(flagged))


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _write_lines(draw: ImageDraw, title: str, subtitle: str) -> None:
    draw.text((MARGIN, 8), title, font=_font(20), fill=INK)
    draw.text((MARGIN, 33), subtitle, font=_font(13), fill=FAINT_INK)


def _write_legend(draw: ImageDraw, y: int, n_clean: int, n_flagged: int, exposure: CcdImage) -> None:
    """Write what the colours mean, and how many there are of each."""
    font = _font(13)
    x = float(MARGIN)
    entries = (
        (STAR, True, f"{n_clean} sources"),
        (FLAGGED, True, f"{n_flagged} flagged"),
        (HIT, False, f"{np.count_nonzero(has(exposure.mask, 'CR'))} cosmic-ray px"),
        (DEFECT, False, f"{np.count_nonzero(has(exposure.mask, 'BAD'))} bad px"),
    )
    for colour, ring, text in entries:
        box = (x, y - 5, x + 10, y + 5)
        if ring:
            draw.ellipse(box, outline=colour, width=2)
        else:
            draw.rectangle(box, fill=colour)
        draw.text((x + 16, y), text, font=font, fill=FAINT_INK, anchor="lm")
        x += 16 + draw.textlength(text, font=font) + 18
