"""One interleaved run: every round visits every variant once, in another order; then medians, ranges, noise, ratios.

Whatever slows the machine for a while then meets all variants alike, and a ratio is taken within a round, between
neighbours in time. Nothing is asserted: a target is printed together with what was measured.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TypeVar

T = TypeVar("T")

SHORTEST = 3
"""Rounds that are made however long they take."""
NAME_WIDTH = 47
NOISY = 0.1
"""From this noise on, figures are said to be of a machine that was not quiet."""


def parse(doc: str | None, *more: Callable[[argparse.ArgumentParser], object]) -> argparse.Namespace:
    """Read the command line: what all benchmarks share, and what `more` adds to the parser."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of small sizes: shows that it works")
    for add in more:
        add(parser)
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    return args


_interrupted = threading.Event()


def _interrupt(_number: int, _frame: object) -> None:
    """End the benchmark in order. An exception alone is lost when it comes up inside the garbage collector."""
    _interrupted.set()
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Series:
    """What one variant took, round by round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def noise(self) -> float:
        """Half of the interquartile range, as a fraction of the median."""
        low, high = self.middle_half
        return (high - low) / 2 / self.median if self.median else 0.0

    @property
    def middle_half(self) -> tuple[float, float]:
        """The quartiles."""
        if len(self.values) == 1:
            return self.values * 2
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def times_less_than(self, base: Series) -> Series:
        """Return, round by round, how many times as long `base` took."""
        return Series(tuple(theirs / own for theirs, own in zip(base.values, self.values, strict=True)))


def interleaved(
    variants: Mapping[str, Callable[[], T]], *, rounds: int, budget_s: float, warm_up: int = 1
) -> dict[str, list[T]]:
    """Call every variant once per round, in an order drawn for each round; return what they returned.

    Parameters
    ----------
    variants
        What is compared, by name.
    rounds
        How many rounds count.
    budget_s
        No round begins after so many seconds, but `SHORTEST` are made.
    warm_up
        Rounds before, which do not count.
    """
    order = random.Random(1)  # the same orders every time
    results: dict[str, list[T]] = {name: [] for name in variants}
    end = time.monotonic() + budget_s
    for number in range(-warm_up, rounds):
        if number >= SHORTEST and time.monotonic() > end:
            break
        for name in order.sample(list(variants), len(variants)):
            result = variants[name]()
            if _interrupted.is_set():
                raise KeyboardInterrupt
            if number >= 0:
                results[name].append(result)
    return results


def timed(action: Callable[[], object], times: int = 1) -> Callable[[], float]:
    """Return a variant that measures the seconds of an action; what it returns is freed outside of the measurement."""

    def measure() -> float:
        gc.collect()
        begin = time.perf_counter()
        kept = [action() for _ in range(times)]
        seconds = (time.perf_counter() - begin) / times
        del kept
        return seconds

    return measure


@dataclass(frozen=True)
class Row:
    """One line of a table: a variant, and the one that it is compared with, or what it took of a core."""

    series: Series
    base: Series | None = None
    cpu: Series | None = None


def print_table(title: str, rows: Mapping[str, Row], *, unit: str = "ms", scale: float = 1e3, note: str = "") -> None:
    """Print one line per variant: median, range, noise, and its ratio to its base.

    Parameters
    ----------
    title
        What is measured.
    rows
        Lines, by name.
    unit, scale
        Unit that is printed, and how many of it one of the values is.
    note
        What a ratio is, in a few words.
    """
    rounds = max(len(row.series.values) for row in rows.values())
    print(f"\n{title} · {rounds} interleaved rounds{' · ' + note if note else ''}")
    head = f"{'median ' + unit:>12}{'min – max':>21}{'noise':>8}"
    if any(row.cpu is not None for row in rows.values()):
        head += f"{'CPU ' + unit:>12}"
    if any(row.base is not None for row in rows.values()):
        head += f"{'ratio':>9}{'its min – max':>18}"
    print(f"{'':{NAME_WIDTH}}{head}")
    for name, row in rows.items():
        low, high = min(row.series.values) * scale, max(row.series.values) * scale
        cells = f"{row.series.median * scale:12.3f}{f'{low:.3f} – {high:.3f}':>21}{row.series.noise:>8.0%}"
        if row.cpu is not None:
            cells += f"{row.cpu.median * scale:12.3f}"
        if row.base is not None:
            ratio = row.series.times_less_than(row.base)
            cells += f"{row.base.median / row.series.median:8.2f}×"
            cells += f"{f'{min(ratio.values):.2f} – {max(ratio.values):.2f}':>18}"
        print(f"{name:{NAME_WIDTH}}{cells}")


def verdict(target: str, measured: str, *, met: bool, quick: bool) -> None:
    """Print a target and whether it was met."""
    answer = "met" if met else "NOT met"
    print(f"target {target}: {measured}, {answer}{' (--quick: too few rounds to tell)' if quick else ''}")


def print_machine(when: str) -> float | None:
    """Print what this machine is and how busy others keep it; return the busy fraction of its cores, if it is known.

    Call it while nothing of the benchmark runs.
    """
    busy = _busy_fraction()
    cores = os.cpu_count() or 1
    told = "unknown" if busy is None else f"{busy:.0%}"
    quiet = "" if busy is None or busy < NOISY else ": NOT a quiet machine"
    print(
        f"{when}: {time.strftime('%Y-%m-%d %H:%M:%S')}, {cores} cores, {platform.machine()}, "
        f"Python {platform.python_version()}; other programs keep the cores busy by {told}{quiet}"
    )
    return busy


def _busy_fraction(seconds: float = 1.0) -> float | None:
    """Return the fraction of all cores that is in use while this process sleeps; None where the kernel does not say."""
    before = _cpu_ticks()
    time.sleep(seconds)
    after = _cpu_ticks()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def _cpu_ticks() -> tuple[int, int] | None:
    """Return clock ticks in use, and all, of all cores."""
    try:
        fields: Sequence[str] = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # the fourth is idle, the fifth waits for a disk
