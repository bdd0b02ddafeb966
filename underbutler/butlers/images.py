"""A reduced CCD image, and its form in FITS: what a task puts as ``calexp``, ``bias``, ``flat``.

The file has four parts: PRIMARY (header only), IMAGE, MASK (its planes named by the keywords ``MPLANEn``) and VARIANCE.
A reader that wants one plane reads no other.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.units import Unit
from astropy.wcs import WCS, FITSFixedWarning

from underbutler.errors import UsageError

if TYPE_CHECKING:
    from astropy.nddata import CCDData

__all__ = ["COMPONENTS", "CcdImage", "without_structure"]

FloatPlane: TypeAlias = npt.NDArray[np.float32]
MaskPlane: TypeAlias = npt.NDArray[np.integer[Any]]

COMPONENTS = ("image", "mask", "variance", "header", "wcs", "mask_planes")
"""Parts that are readable by themselves, as ``calexp.mask``."""

FITS_ERRORS = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    EOFError,
    Warning,
    fits.VerifyError,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a file raises that is not a FITS file, or is a broken one."""

_MASK_TYPES = (np.uint8, np.uint16, np.int16, np.int32)
_PLANE_KEYWORD = re.compile(r"MPLANE(\d{1,2})")
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|CHECKSUM|DATASUM|EXTNAME|EXTVER|INHERIT"
    r"|Z(SIMPLE|IMAGE|TENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TILE\d+|CMPTYPE|NAME\d+|VAL\d+|QUANTIZ|DITHER0)"
    r"|TFIELDS|TTYPE\d+|TFORM\d+"
)


@dataclass(eq=False)
class CcdImage:
    """Image, mask and variance of one detector, with header and WCS.

    Parameters
    ----------
    image
        Pixel values in `unit`, float32, shape ``(ny, nx)``.
    mask
        One bit per defect or feature, shape ``(ny, nx)``, uint8, uint16, int16 or int32; 0 is a good pixel.
    variance
        Variance of `image` in ``unit**2``, float32, shape ``(ny, nx)``.
    header
        FITS header without the keywords that describe the file's own structure (they are dropped).
    wcs
        World coordinates of the pixels, or None.
    unit
        Unit of `image` as astropy writes it, e.g. ``electron`` or ``adu``.
    mask_planes
        Names of the mask's bits: ``{"SATURATED": 1}`` says that bit 1 (value 2) is set where a pixel is saturated.

    Raises
    ------
    UsageError
        If shapes differ, the mask is of another type, or two planes share a bit or have one that is not in it.
    """

    image: FloatPlane
    mask: MaskPlane
    variance: FloatPlane
    header: fits.Header = field(default_factory=fits.Header)
    wcs: WCS | None = None
    unit: str = "adu"
    mask_planes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.image = np.asarray(self.image, dtype=np.float32)
        self.variance = np.asarray(self.variance, dtype=np.float32)
        self.mask = np.asarray(self.mask)
        self.header = without_structure(self.header)
        self.unit = Unit(self.unit).to_string()  # "electron" is not a unit of the FITS standard; astropy reads it
        self.mask_planes = dict(self.mask_planes)
        self._check()

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(ny, nx)``."""
        ny, nx = self.image.shape
        return ny, nx

    @property
    def nbytes(self) -> int:
        """Bytes of the three planes."""
        return int(self.image.nbytes + self.mask.nbytes + self.variance.nbytes)

    def plane(self, name: str) -> npt.NDArray[np.bool_]:
        """Return where one mask plane is set, shape ``(ny, nx)``.

        Raises
        ------
        KeyError
            If the mask has no such plane.
        """
        return (self.mask.astype(np.int64) >> self.mask_planes[name] & 1).astype(bool)

    def shared(self) -> CcdImage:
        """Return an image of one's own header around the same arrays."""
        return CcdImage(self.image, self.mask, self.variance, self.header.copy(), self.wcs, self.unit, self.mask_planes)

    def to_ccddata(self) -> CCDData:
        """Return it as astropy has it: the mask is True where any bit is set, the uncertainty is the variance."""
        from astropy.nddata import CCDData, VarianceUncertainty

        return CCDData(
            self.image,
            mask=self.mask != 0,
            uncertainty=VarianceUncertainty(self.variance),
            unit=self.unit,
            meta=self.header.copy(),
            wcs=self.wcs,
        )

    def write(self, target: BinaryIO | str | Path) -> None:
        """Write the FITS form."""
        self.to_hdus().writeto(target, overwrite=False, output_verify="exception")

    def to_bytes(self) -> bytes:
        """Return the FITS form."""
        stream = io.BytesIO()
        self.write(stream)
        return stream.getvalue()

    def to_hdus(self) -> fits.HDUList:
        """Return the FITS form: PRIMARY, IMAGE, MASK, VARIANCE."""
        position = _wcs_cards(self.wcs)
        image = fits.ImageHDU(self.image, header=position.copy(), name="IMAGE")
        mask = fits.ImageHDU(self.mask, header=position.copy(), name="MASK")
        variance = fits.ImageHDU(self.variance, header=position.copy(), name="VARIANCE")
        image.header["BUNIT"] = (self.unit, "unit of the pixels")
        variance.header["BUNIT"] = ((Unit(self.unit) ** 2).to_string(), "unit of the pixels")
        for name, bit in sorted(self.mask_planes.items(), key=lambda plane: plane[1]):
            mask.header[f"MPLANE{bit}"] = (name, f"meaning of mask bit {bit}, value {1 << bit}")
        return fits.HDUList([fits.PrimaryHDU(header=self.header.copy()), image, mask, variance])

    @classmethod
    def read(cls, source: BinaryIO | str | Path) -> CcdImage:
        """Read the FITS form.

        Raises
        ------
        UsageError
            If the file is none, naming it and what is missing.
        """
        with opened_fits(source) as hdus:
            return cls(
                _plane(hdus, "IMAGE"),
                _plane(hdus, "MASK"),
                _plane(hdus, "VARIANCE"),
                header=hdus[0].header,
                wcs=_read_wcs(hdus["IMAGE"].header),
                unit=hdus["IMAGE"].header.get("BUNIT", ""),
                mask_planes=_read_planes(hdus["MASK"].header),
            )

    @staticmethod
    def read_component(source: BinaryIO | str | Path, component: str) -> Any:
        """Read one of `COMPONENTS`, and no pixel of another plane."""
        with opened_fits(source) as hdus:
            match component:
                case "header":
                    return without_structure(hdus[0].header)
                case "wcs":
                    return _read_wcs(hdus["IMAGE"].header)
                case "mask_planes":
                    return _read_planes(hdus["MASK"].header)
            return _plane(hdus, component.upper())

    def _check(self) -> None:
        shapes = {name: getattr(self, name).shape for name in ("image", "mask", "variance")}
        if len(set(shapes.values())) != 1 or self.image.ndim != 2:
            raise UsageError(f"Image, mask and variance of a CcdImage have one shape (ny, nx), not {shapes}.", **shapes)
        if self.mask.dtype.newbyteorder("=") not in [np.dtype(kind) for kind in _MASK_TYPES]:
            names = ", ".join(np.dtype(kind).name for kind in _MASK_TYPES)
            raise UsageError(f"The mask of a CcdImage is of {self.mask.dtype}; use one of {names}.")
        if len(set(self.mask_planes.values())) < len(self.mask_planes):
            raise UsageError(f"Each mask plane has a bit of its own, unlike in {self.mask_planes}.")
        bits = self.mask.dtype.itemsize * 8
        for name, bit in self.mask_planes.items():
            if not 0 <= bit < bits:
                raise UsageError(f"The mask plane {name} is bit {bit}; the mask has the bits 0 to {bits - 1}.")


def without_structure(header: Mapping[str, Any]) -> fits.Header:
    """Return a copy of a header without the keywords that describe the structure of the file it came from."""
    if not isinstance(header, fits.Header):
        return fits.Header(dict(header))
    cards = [card for card in header.cards if not _STRUCTURE.fullmatch(card.keyword)]
    return fits.Header(cards, copy=True)


@contextlib.contextmanager
def opened_fits(source: BinaryIO | str | Path) -> Iterator[fits.HDUList]:
    """Open FITS for reading, part by part; what does not hold up becomes a `UsageError` that names the file.

    Raises
    ------
    UsageError
        If it is not a FITS, is cut short, or lacks a part that is asked for.
    """
    name = getattr(source, "name", source) if not isinstance(source, str | Path) else source
    try:
        with warnings.catch_warnings():
            # A file that is cut short is only warned of, and its pixels would be made up.
            warnings.filterwarnings("error", message=".*truncated.*")
            with fits.open(source, memmap=False, lazy_load_hdus=True) as hdus:
                yield hdus
    except FileNotFoundError:
        raise
    except FITS_ERRORS as error:
        detail = str(error.args[0] if error.args else error)
        raise UsageError(f"{name} is not a readable FITS file: {detail} Replace it with a whole one.") from error


def native(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an array in this machine's byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _plane(hdus: fits.HDUList, name: str) -> npt.NDArray[Any]:
    data = hdus[name].data
    if data is None:
        raise ValueError(f"its part {name} is empty.")
    return native(data)


def _wcs_cards(wcs: WCS | None) -> fits.Header:
    return fits.Header() if wcs is None else wcs.to_header(relax=True)


def _read_wcs(header: fits.Header) -> WCS | None:
    if "CTYPE1" not in header:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def _read_planes(header: fits.Header) -> dict[str, int]:
    found = ((_PLANE_KEYWORD.fullmatch(keyword), header[keyword]) for keyword in header)
    return {name: int(match[1]) for match, name in found if match}
