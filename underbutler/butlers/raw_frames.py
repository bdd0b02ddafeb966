"""Raw frames as the camera wrote them: FITS in, `CCDData` in adu with its header out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from .images import native, opened_fits, without_structure

if TYPE_CHECKING:
    from astropy.nddata import CCDData

__all__ = ["raw_header", "read_raw_frame", "write_raw_frame"]


def read_raw_frame(source: BinaryIO | str | Path) -> CCDData:
    """Read a raw frame: the first two-dimensional image of the file, in adu.

    Integers of up to 16 bits become float32, which holds them exactly; wider ones float64.

    Raises
    ------
    UsageError
        If the file is not a whole FITS file, or holds no image.
    """
    from astropy.nddata import CCDData

    with opened_fits(source) as hdus:
        hdu = _image_hdu(hdus)
        return CCDData(_as_float(native(hdu.data)), unit="adu", meta=_merged_header(hdus, hdu))


def raw_header(source: BinaryIO | str | Path) -> fits.Header:
    """Read the header of a raw frame, and all its pixels, to be sure that the file is whole.

    Raises
    ------
    UsageError
        If the file is not a whole FITS file, or holds no image or an empty one.
    """
    with opened_fits(source) as hdus:
        hdu = _image_hdu(hdus)
        header = _merged_header(hdus, hdu)
        if hdu.data is None:
            raise ValueError("its image is empty.")
        return header


def write_raw_frame(frame: CCDData, target: BinaryIO | str | Path) -> None:
    """Write a frame as one primary image; whole numbers that fit are written as uint16."""
    values = np.asarray(frame.data)
    whole = np.isfinite(values).all() and (values == np.floor(values)).all()
    if whole and values.size and values.min() >= 0 and values.max() < 2**16:
        values = values.astype(np.uint16)
    fits.PrimaryHDU(values, header=without_structure(fits.Header(frame.header, copy=True))).writeto(target)


def _image_hdu(hdus: fits.HDUList) -> Any:
    for hdu in hdus:
        if hdu.is_image and len(hdu.shape) == 2 and 0 not in hdu.shape:
            return hdu
    raise ValueError("it holds no two-dimensional image.")


def _merged_header(hdus: fits.HDUList, hdu: Any) -> fits.Header:
    header = without_structure(hdus[0].header)
    if hdu is not hdus[0]:
        header.update(without_structure(hdu.header))
    return header


def _as_float(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    exact_in_float32 = values.dtype == np.float32 or (values.dtype.kind in "iu" and values.dtype.itemsize <= 2)
    return values.astype(np.float32 if exact_in_float32 else np.float64)
