"""The grammar of ``--id``: ``KEY=VALUE`` with ``^`` between values and ``a..b[:s]`` for ranges. Text in, values out.

::

    words  = KEY "=" values { KEY "=" values }      each KEY once
    values = value { "^" value }
    value  = INT ".." INT [ ":" INT ]               both ends included, ascending
           | text                                   cast later, by the dimension's key type
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from underbutler.butlers.data_ids import Range, cast_value, key_type
from underbutler.errors import UsageError

if TYPE_CHECKING:
    from lsst.daf.butler import DimensionUniverse

    from underbutler.butlers.data_ids import Constraint
    from underbutler.model.dataref import DataIdValue

__all__ = ["TARGET_LIMIT", "Given", "cast_given", "cross_product", "parse_values", "parse_words", "product_size"]

Given: TypeAlias = Mapping[str, "Sequence[Constraint]"]
"""What one ``--id`` says: values and ranges by key, in the order of the command line."""

TARGET_LIMIT: Final = 100_000
"""More data IDs than this only with ``--yes``."""

_RANGE = re.compile(r"(?P<begin>-?\d+)\.\.(?P<end>-?\d+)(?::(?P<step>-?\d+))?", re.ASCII)


def parse_words(words: Sequence[str], option: str = "--id") -> dict[str, tuple[str | Range, ...]]:
    """Parse the words after one ``--id``.

    Parameters
    ----------
    words
        E.g. ``["instrument=STE3", "detector=0^1"]``.
    option
        Name of the option, for error texts.

    Raises
    ------
    UsageError
        If a word is no ``KEY=VALUE``, a key stands twice, a value is empty, or a range is none.
    """
    given: dict[str, tuple[str | Range, ...]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(
                f"{option} takes KEY=VALUE; {word!r} is not of that form. Example: {option} detector=0^1.", word=word
            )
        if key in given:
            raise UsageError(
                f"{option} has the key {key!r} twice. Separate values with '^' ({key}=1^2), or write {option} again.",
                key=key,
            )
        given[key] = parse_values(text, f"{option} {key}")
    return given


def parse_values(text: str, where: str) -> tuple[str | Range, ...]:
    """Parse ``1^3..7:2^9``.

    Parameters
    ----------
    text
        What stands behind the equals sign.
    where
        Option and key, for error texts.

    Raises
    ------
    UsageError
        If a value is empty, or a range is not of integers, descends or has no positive step.
    """
    return tuple(_parse_value(part, where, text) for part in text.split("^"))


def cast_given(universe: DimensionUniverse, given: Mapping[str, Sequence[str | Range]]) -> dict[str, list[Constraint]]:
    """Cast values to their dimensions' key types; ranges over small dimensions become lists of values.

    Small dimensions are those whose records a Butler keeps in memory (detector, skymap …); a range over any other is
    left as it is, for a query of what exists.

    Raises
    ------
    UnknownNameError
        If a key is not a dimension.
    UsageError
        If a value does not cast, or a range is over texts.
    """
    return {key: [cast for value in values for cast in _cast(universe, key, value)] for key, values in given.items()}


def product_size(given: Given) -> int:
    """Return how many data IDs the explicit values of one ``--id`` span, ranges counted as one."""
    return math.prod(len(values) for values in given.values())


def cross_product(given: Mapping[str, Sequence[DataIdValue]]) -> list[dict[str, DataIdValue]]:
    """Return all combinations, later keys varying fastest, without repetitions."""
    combinations = dict.fromkeys(itertools.product(*given.values()))
    return [dict(zip(given, values, strict=True)) for values in combinations]


def _parse_value(part: str, where: str, text: str) -> str | Range:
    if not part:
        raise UsageError(f"{where}={text} has an empty value. Leave the key out to take all.", text=text)
    if ".." not in part:
        return part
    match = _RANGE.fullmatch(part)
    if match is None:
        raise UsageError(
            f"{where}={text}: {part!r} is not a range. A range is BEGIN..END or BEGIN..END:STEP, of integers, "
            "both ends "
            "included.",
            text=part,
        )
    begin, end, step = int(match["begin"]), int(match["end"]), int(match["step"] or 1)
    try:
        return Range(begin, end, step)
    except UsageError as error:
        raise UsageError(f"{where}={text}: {error}", text=part) from error


def _cast(universe: DimensionUniverse, key: str, value: str | Range) -> Sequence[Constraint]:
    expected = key_type(universe, key)
    if not isinstance(value, Range):
        return [cast_value(universe, key, value)]
    if expected is not int:
        raise UsageError(
            f"--id {key}={value}: a range needs a dimension of integers, and {key} holds texts. "
            "Separate values with '^'.",
            key=key,
        )
    values = range(value.begin, value.end + 1, value.step)
    is_small = universe[key].is_cached and len(values) <= TARGET_LIMIT
    return list(values) if is_small else [value]
