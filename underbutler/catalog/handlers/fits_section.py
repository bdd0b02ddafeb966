"""Planes and sections of FITS images: of a file in S3 only the wanted bytes are fetched.

A header costs a block of 16 KiB, a plane its own bytes in one request. What is found once is kept while the handler is
open: the next plane of the same file needs no header again.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from underbutler.errors import UnderbutlerError, suggest

from .lazy_image import Box, Layout, LazyImage
from .resource_file import FileHandler, HandlerArgumentError, check_argument
from .specs import FITS

if TYPE_CHECKING:
    import dask.array
    from astropy.io import fits

__all__ = ["FitsSection"]

AnyArray: TypeAlias = npt.NDArray[Any]
HduName: TypeAlias = int | str | Sequence[Any]
"""Number, EXTNAME, or EXTNAME and EXTVER of a part of the file."""


class FitsSection(FileHandler):
    """Handler of spec ``ANNEX_FITS``.

    Parameters
    ----------
    path
        ``s3://bucket/key``, or a path.
    hdu
        Which part of the file, unless a datum says another: its number, its EXTNAME, or ``[EXTNAME, EXTVER]``. The
        first image, if nobody says.
    plane
        Which plane along the first axis of a cube, unless a datum says another; all of it, if nobody says.
    **file_arguments
        What every file handler takes: ``size``, ``sha256``, ``dataset``, ``verify``, ``settings``.

    Notes
    -----
    Values come as astropy gives them, in this machine's byte order: BZERO and BSCALE are applied, and an image of
    integers with BLANK comes as floats with NaN.
    """

    spec = FITS
    resource_arguments = ("hdu", "plane")
    datum_arguments = ("hdu", "plane", "section")
    _open_state: ClassVar[tuple[str, ...]] = ("_file", "_hdus")

    def __init__(
        self, path: str, *, hdu: HduName | None = None, plane: int | None = None, **file_arguments: Any
    ) -> None:
        super().__init__(path, **file_arguments)
        self._hdu, self._plane = hdu, plane
        self._file: io.BufferedIOBase | None = None
        self._hdus: fits.HDUList | None = None
        self._check(hdu, plane)

    def __call__(
        self,
        *,
        hdu: HduName | None = None,
        plane: int | None = None,
        section: Sequence[Sequence[int]] | None = None,
        **unknown: Any,
    ) -> AnyArray:
        """Return an image, or a part of one.

        Parameters
        ----------
        hdu
            Which part of the file.
        plane
            Which plane along the first axis.
        section
            Begin and end along each axis that is left, from 0, the end not included: ``[[y0, y1], [x0, x1]]``.
        **unknown
            What a datum says that this handler does not know.

        Raises
        ------
        HandlerArgumentError
            If the file has no such part, plane or section.
        GoneFileError, AnnexUnavailableError
            If the file is not there, or the store does not answer.
        UnreadableFileError, WrongFileError
            If it is not a whole FITS file, or another one than the resource says.
        """
        with self._reading(unknown), self._image(hdu) as image:
            return self._pixels(image, self._key(image, plane, section))

    def layout(self, *, hdu: HduName | None = None, plane: int | None = None, **unknown: Any) -> Layout:
        """Return shape and dtype of an image; none of its pixels is read.

        Parameters
        ----------
        hdu, plane
            Which one.
        **unknown
            What a datum says that this handler does not know.
        """
        with self._reading(unknown), self._image(hdu) as image:
            key = self._key(image, plane, None)
            return Layout(tuple(image.shape)[len(key) :], _dtype(image))

    def delayed(
        self,
        *,
        hdu: HduName | None = None,
        plane: int | None = None,
        section: Sequence[Sequence[int]] | None = None,
        **unknown: Any,
    ) -> dask.array.Array:
        """Return an image as a dask array: shape and dtype are the header's, pixels are read when they are computed.

        Of an array that is sliced before it is computed only the slice is read. A cube has a chunk for each plane.

        Parameters
        ----------
        hdu, plane, section
            Which part, as when it is read.
        **unknown
            What a datum says that this handler does not know.
        """
        import dask.array
        from dask.base import tokenize

        layout = self.layout(hdu=hdu, plane=plane, **unknown)
        part = LazyImage(partial(self.pixels, hdu=hdu, plane=plane), layout)
        rest = [(size,) for size in layout.shape[-2:]]
        chunks = ((1,) * size for size in layout.shape[:-2])
        version = self.file.sha256 or uuid4().hex  # without a digest nobody knows whether it is still the same file
        array = dask.array.from_array(
            part,
            chunks=(*chunks, *rest),
            name=f"{self.spec}-{tokenize(self.url, version, hdu, plane, self._hdu, self._plane)}",
            meta=np.empty((0,) * len(layout.shape), layout.dtype),
        )
        if section is None:
            return array
        return array[self._ranges(layout.shape, section)]

    def close(self) -> None:
        """Close what is open; it is opened again when it is read again."""
        with self._lock:
            hdus, self._hdus = self._hdus, None
            file, self._file = self._file, None
            if hdus is not None:
                hdus.close()
            if file is not None:
                file.close()

    def pixels(self, key: tuple[int | slice, ...], *, hdu: HduName | None, plane: int | None) -> AnyArray:
        """Return what an index of integers and slices selects of an image, or of a plane of it."""
        with self._reading({}), self._image(hdu) as image:
            return self._pixels(image, (*self._key(image, plane, None), *key))

    def _check(self, hdu: HduName | None, plane: int | None) -> None:
        if isinstance(hdu, list | tuple):
            named = len(hdu) == 2 and isinstance(hdu[0], str) and isinstance(hdu[1], int)
            if not named:
                raise HandlerArgumentError(f"Spec {self.spec!r} takes as hdu [EXTNAME, EXTVER], not {hdu!r}.", hdu=hdu)
        else:
            check_argument(self.spec, "hdu", hdu, int | str, "a number or a name")
        check_argument(self.spec, "plane", plane, int, "a number")

    @contextmanager
    def _image(self, hdu: HduName | None) -> Iterator[Any]:
        """Give the image HDU that is wanted; after an error the file is opened anew."""
        wanted = self._hdu if hdu is None else hdu
        self._check(wanted, None)
        try:
            yield self._found(self._opened(), wanted)
        except HandlerArgumentError:
            raise
        except UnderbutlerError:
            self.close()
            raise
        except (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError) as error:
            self.close()
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            raise self._unreadable("FITS file", error.args[0] if error.args else error) from error

    def _opened(self) -> Any:
        from astropy.io import fits

        if self._hdus is None:
            self._file = self.file.open()
            if self._file.read(6) not in {b"SIMPLE", b"XTENSI"}:
                raise self._unreadable("FITS file", "it does not begin like one. See which spec its resource has.")
            self._file.seek(0)
            self._hdus = fits.open(self._file, mode="readonly", memmap=False, lazy_load_hdus=True)
        return self._hdus

    def _found(self, hdus: Any, wanted: HduName | None) -> Any:
        if wanted is None:
            for found in hdus:
                if found.is_image and found.shape:
                    return found
            raise self._unreadable("FITS image", f"none of its parts {self._parts(hdus)} holds an image.")
        try:
            found = hdus[tuple(wanted) if isinstance(wanted, list | tuple) else wanted]
        except (KeyError, IndexError) as error:
            self._refuse_rest(hdus)
            names = [part.name for part in hdus]
            near = suggest(wanted, names) if isinstance(wanted, str) else ""
            raise HandlerArgumentError(
                f"{self.url} has no part {wanted!r}.{near} It has {self._parts(hdus)}.", url=self.url, hdu=wanted
            ) from error
        if not found.is_image or not found.shape:
            what = "no pixels" if found.is_image else "a table and no image"
            raise HandlerArgumentError(
                f"Part {wanted!r} of {self.url} holds {what}. It has {self._parts(hdus)}.", url=self.url, hdu=wanted
            )
        return found

    def _parts(self, hdus: Any) -> str:
        return ", ".join(
            f"{number} {part.name or 'without a name'} {list(part.shape) if part.is_image else 'table'}"
            for number, part in enumerate(hdus)
        )

    def _key(self, image: Any, plane: int | None, section: Sequence[Sequence[int]] | None) -> tuple[int | slice, ...]:
        """Return the index of what is wanted of an image."""
        wanted = self._plane if plane is None else plane
        shape = tuple(image.shape)
        key: tuple[int | slice, ...] = ()
        if wanted is not None:
            self._check(None, wanted)
            if not 0 <= wanted < shape[0] or len(shape) < 2:
                planes = f"{shape[0]} planes (0 to {shape[0] - 1})" if len(shape) > 1 else "one axis and no planes"
                raise HandlerArgumentError(
                    f"Part {image.name!r} of {self.url} of shape {shape} has {planes}, and none of number {wanted}.",
                    url=self.url,
                    plane=wanted,
                )
            key, shape = (wanted,), shape[1:]
        return key if section is None else (*key, *self._ranges(shape, section))

    def _ranges(self, shape: tuple[int, ...], section: Sequence[Sequence[int]]) -> tuple[slice, ...]:
        try:
            ranges = [(int(begin), int(end)) for begin, end in section]
        except (TypeError, ValueError):
            ranges = []
        inside = all(0 <= begin < end <= size for (begin, end), size in zip(ranges, shape, strict=False))
        if len(ranges) != len(shape) or not inside:
            raise HandlerArgumentError(
                f"section={section!r} is not inside {self.url}, of shape {shape}: say begin and end along each axis, "
                "from 0, the end not included.",
                url=self.url,
                section=section,
            )
        return tuple(slice(*one) for one in ranges)

    def _pixels(self, image: Any, key: tuple[Any, ...]) -> AnyArray:
        self._refuse_truncated(image)
        box = Box.around(tuple(image.shape), key)
        if box is None:
            nothing: AnyArray = np.broadcast_to(np.zeros((), _dtype(image)), image.shape)
            return nothing[key].copy()  # type: ignore[no-any-return]
        pixels: AnyArray = np.asarray(image.section[box.read])[box.chosen]
        return np.asarray(pixels, _dtype(image), order="C")

    def _refuse_truncated(self, image: Any) -> None:
        """Refuse an image whose end is not in the file: astropy would only warn."""
        end, size = _stored_end(image), self._size()
        if end > size:
            raise self._unreadable(
                "FITS file",
                f"it ends at byte {size}, and its part {image.name!r} at {end}. Replace it with a whole one.",
            )

    def _refuse_rest(self, hdus: Any) -> None:
        """Refuse a file that does not end where its last part does: what is missed may be in the rest."""
        where = hdus[-1].fileinfo()
        end, size = where["datLoc"] + where["datSpan"], self._size()
        if end != size:
            raise self._unreadable(
                "FITS file",
                f"{self._parts(hdus)} end at byte {end}, and the file at {size}. Replace it with a whole one.",
            )

    def _size(self) -> int:
        assert self._file is not None
        return int(self._file.seek(0, io.SEEK_END))


def _stored_end(image: Any) -> int:
    """Return the byte at which the stored values of an image end."""
    where = image.fileinfo()
    if hasattr(image, "compression_type"):
        return int(where["datLoc"] + where["datSpan"])
    return int(where["datLoc"] + math.prod(image.shape) * abs(image.header["BITPIX"]) // 8)


def _dtype(image: Any) -> np.dtype[Any]:
    """Return the dtype of the values, in this machine's byte order: FITS standard 4.0, section 4.4.2.5."""
    header = image.header
    bits, zero, scale = int(header["BITPIX"]), header.get("BZERO", 0), header.get("BSCALE", 1)
    if bits < 0:
        return np.dtype(f"f{-bits // 8}")
    if zero != 0 and scale == 1:
        if bits == 8 and zero == -128:
            return np.dtype(np.int8)
        if bits > 8 and zero == 1 << (bits - 1):
            return np.dtype(f"u{bits // 8}")
    if zero != 0 or scale != 1 or isinstance(header.get("BLANK"), int):
        return np.dtype(np.float32 if bits <= 16 else np.float64)
    return np.dtype(np.uint8 if bits == 8 else f"i{bits // 8}")
