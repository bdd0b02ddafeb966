"""Headers of many frames, fast: only the blocks that hold cards are read, and only the cards that are asked for parsed.

A whole file is checked when it is ingested; here a frame is known to be one, and its pixels are not of interest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from math import prod
from typing import Any, BinaryIO, Final

from underbutler.errors import UsageError

from .packings import INFLATING_ERRORS, unpacked
from .readout import FramePart, plane_of

__all__ = ["ScannedHeader", "scan_parts"]

BLOCK: Final = 2880
CARD: Final = 80
MOST_BLOCKS: Final = 4096
"""Blocks of one header; a file with more is none."""


class ScannedHeader(Mapping[str, Any]):
    """The cards of a header, each parsed when it is asked for.

    Parameters
    ----------
    cards
        Text of each card by keyword, CONTINUE cards appended.
    """

    def __init__(self, cards: Mapping[str, bytes]) -> None:
        self._cards = cards
        self._values: dict[str, Any] = {}

    def __getitem__(self, keyword: str) -> Any:
        if keyword not in self._values:
            self._values[keyword] = _value(self._cards[keyword.upper()])
        return self._values[keyword]

    def __contains__(self, keyword: object) -> bool:
        return isinstance(keyword, str) and keyword.upper() in self._cards

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)


def scan_parts(stream: BinaryIO) -> tuple[FramePart, ...]:
    """Read the headers of the images of a FITS file, and no pixel.

    Parameters
    ----------
    stream
        The file, compressed as a whole or not; it can be searched.

    Returns
    -------
    parts
        Its two-dimensional images, each with its own cards over those of the primary header.

    Raises
    ------
    UsageError
        If it is not FITS, or is compressed in a way that is not read.
    """
    inner = unpacked(stream)
    if inner is None:
        return _scanned(stream)
    try:
        return _scanned(inner)
    except INFLATING_ERRORS as error:
        raise UsageError(f"Its compressed data are damaged: {error}. Replace it with a whole file.") from error


def _scanned(plain: BinaryIO) -> tuple[FramePart, ...]:
    parts: list[FramePart] = []
    primary: dict[str, bytes] = {}
    position = 0
    for number in count():
        cards = _cards_at(plain, position, is_first=number == 0)
        if cards is None:
            break
        found, blocks = cards
        primary = primary or found
        shape = _image_shape(found)
        if shape is not None:
            header = ScannedHeader(primary | found)
            name = str(_value(found["EXTNAME"])).strip() if "EXTNAME" in found else ""
            parts.append(FramePart(number=number, name=name, shape=shape, header=header))
        if number == 0 and shape is not None and not _has_extensions(found):
            break
        position += BLOCK * (blocks + -(-_data_size(found) // BLOCK))
    return tuple(parts)


def _cards_at(stream: BinaryIO, position: int, *, is_first: bool) -> tuple[dict[str, bytes], int] | None:
    """Return the cards of the header that begins at a position, and how many blocks it has; None at the file's end."""
    found: dict[str, bytes] = {}
    last = ""
    try:
        stream.seek(position)
    except (OSError, EOFError):
        return None
    for number in range(1, MOST_BLOCKS):
        block = stream.read(BLOCK)
        if number == 1 and not block.startswith(b"SIMPLE  =" if is_first else b"XTENSION="):
            if is_first:
                raise UsageError("It is not a FITS file: it does not begin with SIMPLE.")
            return None
        for at in range(0, len(block), CARD):
            card = block[at : at + CARD]
            keyword = card[:8].rstrip().decode("ascii", "replace").upper()
            if keyword == "END":
                return found, number
            if keyword == "CONTINUE" and last:
                found[last] += card
            elif keyword == "HIERARCH":
                last = card[8:].split(b"=", 1)[0].strip().decode("ascii", "replace").upper()
                found.setdefault(last, card)
            elif card[8:10] == b"= ":
                last = keyword
                found.setdefault(keyword, card)
        if len(block) < BLOCK:
            break
    raise UsageError("It is not a whole FITS file: a header has no END.")


def _value(card: bytes) -> Any:
    """Return a card's value: plain numbers and texts at once, everything else as astropy reads it."""
    from astropy.io.fits import Card

    field = card[10:CARD]
    plain = field.split(b"/", 1)[0].strip()
    if len(card) == CARD and card[8:10] == b"= ":
        for number in (int, float):
            try:
                return number(plain)
            except ValueError:
                continue
        if plain in (b"T", b"F"):
            return plain == b"T"
    parsed = Card.fromstring(card)
    try:
        value = parsed.value
    except Exception:  # noqa: BLE001 - a card that FITS forbids has its text
        return card[10:CARD].split(b"/")[0].decode("ascii", "replace").strip()
    return None if type(value).__name__ == "Undefined" else value


def _integer(cards: Mapping[str, bytes], keyword: str, default: int) -> int:
    if keyword not in cards:
        return default
    try:
        return int(cards[keyword][10:CARD].split(b"/")[0])
    except ValueError:
        return default


def _axes(cards: Mapping[str, bytes], prefix: str) -> list[int]:
    return [_integer(cards, f"{prefix}NAXIS{axis}", 0) for axis in range(1, _integer(cards, f"{prefix}NAXIS", 0) + 1)]


def _image_shape(cards: Mapping[str, bytes]) -> tuple[int, int] | None:
    """Return rows and columns if this header is of an image: plain, or compressed in a table."""
    kind = cards["XTENSION"][10:CARD].split(b"/")[0].strip(b" '") if "XTENSION" in cards else b"IMAGE"
    axes = _axes(cards, "") if kind in (b"IMAGE", b"IUEIMAGE") else _axes(cards, "Z") if "ZIMAGE" in cards else []
    plane = plane_of(axes[::-1])
    return plane if 0 not in axes else None


def _data_size(cards: Mapping[str, bytes]) -> int:
    """Return the bytes of data that follow a header."""
    axes = _axes(cards, "")
    if not axes:
        return 0
    groups = _integer(cards, "GCOUNT", 1) * (_integer(cards, "PCOUNT", 0) + prod(axes))
    return abs(_integer(cards, "BITPIX", 8)) // 8 * groups


def _has_extensions(cards: Mapping[str, bytes]) -> bool:
    return cards.get("EXTEND", b"")[10:CARD].split(b"/")[0].strip() == b"T"
