"""Which master a frame gets, and in what the others differ: by time, settings and, for a dark, exposure time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from .setups import Difference, Setup

__all__ = ["Choice", "FrameFacts", "Master", "choose_master", "is_same_time"]


_EPOCH: Final = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFacts:
    """What a master is chosen by.

    Parameters
    ----------
    setup
        How the camera was set.
    seconds
        Exposure time in seconds.
    begin, end
        When it was taken, in nanoseconds of TAI.
    has_window
        Whether its header says which pixels of the detector it is, so that a master of more pixels can be cut to it.
    """

    setup: Setup
    seconds: float
    begin: int
    end: int
    has_window: bool = False

    @property
    def when(self) -> str:
        """The begin in TAI, as people write it."""
        return (_EPOCH + timedelta(seconds=self.begin // 10**9)).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """One certified master of a detector, and of a filter if it is a flat.

    Parameters
    ----------
    dataset
        Its dataset reference.
    collection
        Where it is certified.
    begin, end
        From when to when, in nanoseconds of TAI; END is not included.
    validity
        The same as people write it.
    setup
        How the camera was set.
    seconds
        Exposure time of its frames in seconds; None: not known.
    without_bias
        Whether the bias was subtracted from its frames; None: not known.
    """

    dataset: Any
    collection: str
    begin: int
    end: int
    validity: str
    setup: Setup
    seconds: float | None = None
    without_bias: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer for one frame.

    Parameters
    ----------
    name
        Dataset type: ``bias``, ``dark`` or ``flat``.
    master
        The master, or None.
    differences
        Without a master: in what the nearest one differs; empty if there is none at all.
    nearest
        Without a master: the nearest one.
    warning
        What is to be said of the master; empty: nothing.
    """

    name: str
    master: Master | None = None
    differences: tuple[Difference, ...] = field(default=())
    nearest: Master | None = None
    warning: str = ""

    def at(self, frame: FrameFacts) -> Choice:
        """Return the same answer for a frame that differs only in its time, and has the same masters valid then."""
        if all(one.key != "time" for one in self.differences):
            return self
        told = tuple(replace(one, frame=frame.when) if one.key == "time" else one for one in self.differences)
        return replace(self, differences=told)

    @property
    def reason(self) -> str:
        """Why there is no master, as part of a sentence; empty if there is one."""
        if self.master is not None:
            return ""
        if self.nearest is None:
            return f"there is no {self.name} of this detector" + (" and filter" if self.name == "flat" else "")
        return f"the nearest {self.name} differs in " + "; ".join(str(one) for one in self.differences)


def choose_master(
    name: str, frame: FrameFacts, masters: Sequence[Master], *, tolerance: float, has_bias: bool = True
) -> Choice:
    """Choose the master of a frame.

    Parameters
    ----------
    name
        Dataset type.
    frame
        The frame.
    masters
        All that are certified for its detector (and filter), of any time and setting.
    tolerance
        By how much temperatures may differ. A flat's is not compared: of several, the nearest one is taken.
    has_bias
        Whether the bias is subtracted from the frame: only then a dark may be scaled to another exposure time.

    Returns
    -------
    choice
        Of those that fit, darks of the frame's exposure time come first, then the nearest temperature, then the order
        of `masters`.
    """
    allowed = None if name == "flat" else tolerance
    valid = [one for one in masters if one.begin < frame.end and frame.begin < one.end]
    fitting = [one for one in valid if not any(_differences(name, frame, one, allowed, has_bias=has_bias))]
    if fitting:
        best = min(fitting, key=lambda one: _rank(name, frame, one))
        return Choice(name=name, master=best, warning=_warning(name, frame, best))
    if not masters:
        return Choice(name=name)
    told = [(one, tuple(_differences(name, frame, one, allowed, has_bias=has_bias))) for one in valid or masters]
    nearest, differences = min(told, key=lambda pair: len(pair[1]))
    return Choice(name=name, nearest=nearest, differences=differences)


def is_same_time(seconds: float, other: float) -> bool:
    """Tell whether two exposure times are the same for a dark: within 0.1 %, or 10 ms."""
    return abs(seconds - other) <= max(0.01, 1e-3 * abs(seconds))


def _differences(
    name: str, frame: FrameFacts, master: Master, tolerance: float | None, *, has_bias: bool
) -> Iterable[Difference]:
    if not (master.begin < frame.end and frame.begin < master.end):
        yield Difference("time", frame.when, f"{master.validity} (TAI)")
    for difference in frame.setup.differences(master.setup, tolerance):
        if difference.key != "shape" or not (frame.has_window and _is_larger(master.setup, frame.setup)):
            yield difference
    if name != "dark" or master.seconds is None:
        return
    if not is_same_time(frame.seconds, master.seconds):
        if not has_bias or master.without_bias is False:
            words = f"{master.seconds:g} s, and no dark is scaled unless the bias is subtracted from both"
            yield Difference("exposure time", f"{frame.seconds:g} s", words)
    elif has_bias and master.without_bias is False:
        yield Difference("bias", "it subtracted", "it still in")


def _rank(name: str, frame: FrameFacts, master: Master) -> tuple[float, ...]:
    exact = sum(
        getattr(frame.setup, key) == getattr(master.setup, key) for key in ("shape", "binning", "read_mode", "gain")
    )
    other_time = 0.0
    if name == "dark" and master.seconds is not None and not is_same_time(frame.seconds, master.seconds):
        other_time = 1.0 + abs(frame.seconds - master.seconds)
    return (other_time, -exact, frame.setup.distance(master.setup))


def _is_larger(master: Setup, frame: Setup) -> bool:
    """Tell whether a master has at least the rows and columns of a frame, both being of one image."""
    sizes = [re.fullmatch(r"(\d+)x(\d+)", one.shape or "") for one in (master, frame)]
    if sizes[0] is None or sizes[1] is None:
        return False
    return all(int(mine) >= int(other) for mine, other in zip(sizes[0].groups(), sizes[1].groups(), strict=True))


def _warning(name: str, frame: FrameFacts, master: Master) -> str:
    if name != "dark" or master.seconds is None or is_same_time(frame.seconds, master.seconds):
        return ""
    return (
        f"No dark of {frame.seconds:g} s is valid: one of {master.seconds:g} s is scaled to it, which is right only as "
        "far as the dark current is the same. Make one of this exposure time with makeDark."
    )
