"""What a raw frame must say about itself before it can be reduced."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from underbutler.errors import UsageError

__all__ = ["MissingKeywordError", "number", "section"]

_SECTION = re.compile(r"\[(?:\d+:\d+|:),(?:\d+:\d+|:)\]")


class MissingKeywordError(UsageError, KeyError):
    """A raw frame lacks a header keyword that the reduction needs."""


def number(header: Mapping[str, Any], keyword: str, *, what: str, setting: str, positive: bool = True) -> float:
    """Return a keyword's value as a finite number.

    Parameters
    ----------
    header
        The frame's header.
    keyword
        Which card.
    what
        What it tells, for the error's text: ``gain in e-/ADU``.
    setting
        Config field that may give the value instead, for the error's text.
    positive
        Whether 0 and less are refused.

    Raises
    ------
    MissingKeywordError
        If the card is missing.
    UsageError
        If its value is not such a number.
    """
    raw = header.get(keyword)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        raise MissingKeywordError(
            f"The raw frame's header has no {keyword} ({what}). Add the keyword, or give its value with "
            f"-c {setting}=….",
            keyword=keyword,
            setting=setting,
        )
    try:
        value = float(raw)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or (positive and value <= 0):
        raise UsageError(
            f"The raw frame's header says {keyword}={raw!r} ({what}), which is no "
            f"{'positive ' if positive else ''}number. Correct it, or give the value with -c {setting}=….",
            keyword=keyword,
            value=str(raw),
            setting=setting,
        )
    return value


def section(
    header: Mapping[str, Any], keyword: str, shape: tuple[int, ...], *, what: str, setting: str, off: str
) -> str:
    """Return a FITS section such as ``[17:528,1:520]`` that lies inside a frame.

    Parameters
    ----------
    header, keyword
        Which card of the frame's header.
    shape
        Rows and columns of the raw frame.
    what
        What the section is, for the error's text.
    setting
        Config field that may give the value instead.
    off
        Config override that does without the section.

    Raises
    ------
    MissingKeywordError
        If the card is missing.
    UsageError
        If it is not a section, or reaches out of the frame.
    """
    raw = header.get(keyword)
    if raw is None or not str(raw).strip():
        raise MissingKeywordError(
            f"The raw frame's header has no {keyword} ({what}). Add the keyword, give it with -c {setting}=…, "
            f"or do without: -c {off}.",
            keyword=keyword,
            setting=setting,
        )
    text = re.sub(r"\s", "", str(raw))
    if not _SECTION.fullmatch(text):
        raise UsageError(
            f"{keyword}={raw!r} ({what}) is not a FITS section such as [1:1024,1:1024]. Give it with -c {setting}=….",
            keyword=keyword,
            value=str(raw),
        )
    _refuse_outside(text, keyword, shape, setting)
    return text


def _refuse_outside(text: str, keyword: str, shape: tuple[int, ...], setting: str) -> None:
    """Refuse a section that the frame does not contain: numpy would clip it in silence."""
    limits = (shape[1], shape[0])  # FITS counts columns first
    for axis, limit in zip(text.strip("[]").split(","), limits, strict=True):
        ends = [int(end) for end in axis.split(":") if end.isdigit()]
        if any(not 1 <= end <= limit for end in ends):
            raise UsageError(
                f"{keyword}={text} reaches out of the raw frame, which has {shape[1]} columns and {shape[0]} rows. "
                f"Correct it, or give the section with -c {setting}=….",
                keyword=keyword,
                value=text,
                shape=list(shape),
            )
