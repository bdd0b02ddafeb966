"""sep's extraction with as much room as a frame needs: its fixed limits are raised until it fits, or memory ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["NoRoomError", "extract_with_room"]

PIXELS_AT_FIRST, PARTS_AT_FIRST = 1_000_000, 1024
BYTES_PER_PIXEL = 64  # of sep's pixel stack: its list element holds position, value, convolved value and variance
BYTES_PER_PART = 32  # of the tree of deblended parts, for each of its thresholds
SHARE_OF_MEMORY = 0.5  # of what is available
RAISED_BY = 8


class NoRoomError(Exception):
    """More pixels or parts of a blend than there is memory for; its text is sep's."""


def extract_with_room(
    image: npt.NDArray[np.float32], threshold: float, *, max_pixels: int | None = None, **options: Any
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int32]]:
    """Return the objects and the segments that `sep.extract` finds.

    Parameters
    ----------
    image
        Background-subtracted image, shape ``(ny, nx)``.
    threshold
        Least height, in units of the option ``err``.
    max_pixels
        Most pixels over the threshold; None takes what memory allows.
    **options
        Of `sep.extract`.

    Raises
    ------
    NoRoomError
        If it does not fit.
    """
    import sep

    memory = SHARE_OF_MEMORY * _available_bytes()
    most_pixels = max_pixels or max(PIXELS_AT_FIRST, min(2 * image.size, int(memory / BYTES_PER_PIXEL)))
    most_parts = max(PARTS_AT_FIRST, int(memory / (BYTES_PER_PART * options.get("deblend_nthresh", 32))))
    pixels, parts = min(PIXELS_AT_FIRST, most_pixels), PARTS_AT_FIRST
    while True:
        sep.set_extract_pixstack(pixels)
        sep.set_sub_object_limit(parts)
        try:
            objects, segments = sep.extract(image, threshold, segmentation_map=True, **options)
        except Exception as error:  # sep raises a bare Exception with a status text
            text = str(error)
            if "pixel buffer full" in text and pixels < most_pixels:
                pixels = min(RAISED_BY * pixels, most_pixels)
            elif "deblending overflow" in text and parts < most_parts:
                parts = min(RAISED_BY * parts, most_parts)
            else:
                raise NoRoomError(text) from error
        else:
            return objects, segments


def _available_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().available)
