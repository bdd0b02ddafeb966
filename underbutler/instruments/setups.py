"""How a camera was set when it took a frame, and how two settings differ: what a master shares with a frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .instrument_map import InstrumentMap

__all__ = ["Difference", "Setup", "read_setup"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting in which a frame and a master differ.

    Parameters
    ----------
    key
        Which one: ``shape``, ``binning``, ``read_mode``, ``gain``, ``offset``, ``temperature``, ``exposure time`` …
    frame, master
        What either has, as people write it.
    """

    key: str
    frame: str
    master: str

    def __str__(self) -> str:
        return f"{self.key}: the frame has {self.frame}, the master {self.master}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a frame and its masters have in common. What is not known is None, and differs from nothing.

    Parameters
    ----------
    shape
        Rows and columns of the light, as ``1040x1392``; where nothing says which pixels are light, of the raw frame,
        of four images ``4*200x75``.
    binning
        Columns and rows that are added up, as ``2x2``.
    read_mode
        Name or number of the read mode.
    gain, offset
        The driver's settings, which are no gain in e-/ADU and no level in ADU.
    row_order
        Whether the first row is the top or the bottom one, as the header writes it.
    temperature
        Of the detector, in the header's unit.
    """

    shape: str | None = None
    binning: str | None = None
    read_mode: str | None = None
    gain: str | None = None
    offset: str | None = None
    row_order: str | None = None
    temperature: float | None = None

    @property
    def label(self) -> str:
        """A short name, for the name of a collection: ``1040x1392_bin2x2_gain100``; ``any`` if nothing is known."""
        parts = [
            self.shape or "",
            *(f"{word}{value}" for word, value in self._named() if value is not None),
            "" if self.temperature is None else f"{self.temperature:.0f}deg",
        ]
        return "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", part) for part in parts if part) or "any"

    def differences(self, master: Setup, tolerance: float | None) -> Iterator[Difference]:
        """Yield where this frame's settings and a master's differ.

        Parameters
        ----------
        master
            The master's.
        tolerance
            By how much temperatures may differ; None: they are not compared.
        """
        for key in ("shape", "binning", "read_mode", "gain", "offset", "row_order"):
            ours, theirs = getattr(self, key), getattr(master, key)
            if ours is not None and theirs is not None and not _is_same(ours, theirs):
                yield Difference(key.replace("_", " "), ours, theirs)
        if tolerance is not None and self.distance(master) > tolerance:
            yield Difference("temperature", f"{self.temperature:g}", f"{master.temperature:g}")

    def distance(self, master: Setup) -> float:
        """Return by how much the temperatures differ; 0 if one of them is not known."""
        if self.temperature is None or master.temperature is None:
            return 0.0
        return abs(self.temperature - master.temperature)

    def to_words(self) -> str:
        """Return it as ``key=value`` words, for a card of a header."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return " ".join(f"{name}={value}" for name, value in values.items() if value is not None)

    @classmethod
    def from_words(cls, words: str) -> Setup:
        """Read what `to_words` wrote; words that are not known are left aside."""
        found = dict(word.split("=", 1) for word in words.split() if "=" in word)
        values: dict[str, Any] = {name: found[name] for name in cls.__slots__ if name in found}
        if "temperature" in values:
            values["temperature"] = _number(values["temperature"])
        return cls(**values)

    def _named(self) -> list[tuple[str, str | None]]:
        return [
            ("bin", self.binning),
            ("mode", self.read_mode),
            ("gain", self.gain),
            ("offset", self.offset),
            ("", self.row_order),
        ]


def read_setup(header: Mapping[str, Any], instrument: InstrumentMap, shapes: Sequence[tuple[int, int]] = ()) -> Setup:
    """Read the settings of a frame through the instrument's map.

    Parameters
    ----------
    header
        Header of the raw frame.
    instrument
        The map; its ``[setup]`` names the keywords.
    shapes
        Rows and columns of each of the detector's images; empty: not known.

    """
    rule = instrument.setup
    temperature = _word(header, rule.temperature)
    return Setup(
        shape=_shape(shapes),
        binning=_binning(header, rule.binning),
        read_mode=_word(header, rule.read_mode),
        gain=_word(header, rule.gain),
        offset=_word(header, rule.offset),
        row_order=_word(header, rule.row_order),
        temperature=None if temperature is None else _number(temperature),
    )


def _shape(shapes: Sequence[tuple[int, int]]) -> str | None:
    """Return ``1040x1392``, or ``4*200x75`` of four images, with ``+`` between different ones."""
    sizes = [f"{rows}x{columns}" for rows, columns in shapes]
    counts = {one: sizes.count(one) for one in sizes}
    return "+".join(one if number == 1 else f"{number}*{one}" for one, number in counts.items()) or None


def _binning(header: Mapping[str, Any], keywords: tuple[str, ...]) -> str | None:
    """Return ``2x2`` of two numbers, or of one card that holds ``2 2``, ``2x2``, ``[2,2]`` or 2."""
    values = [value for keyword in keywords if (value := _word(header, keyword)) is not None]
    numbers = [str(int(float(found))) for value in values for found in re.findall(r"\d+(?:\.\d+)?", value)]
    if not numbers:
        return None
    return f"{numbers[0]}x{numbers[-1]}"


def _word(header: Mapping[str, Any], keyword: str | None) -> str | None:
    """Return a value as one word; whole numbers as such, so that 100, 100.0 and '100' are the same."""
    value = None if keyword is None else header.get(keyword)
    text = "" if value is None else str(value).strip()
    number = _number(text)
    if number is not None and not isinstance(value, bool):
        return str(int(number)) if number.is_integer() else str(number)
    return re.sub(r"\s+", "_", text) or None


def _is_same(one: str, other: str) -> bool:
    """Tell whether two settings are the same: equal words, or measured numbers within 0.5 %."""
    left, right = _number(one), _number(other)
    if left is None or right is None or (left.is_integer() and right.is_integer()):
        return one == other
    return abs(left - right) <= 0.005 * max(abs(left), abs(right))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
