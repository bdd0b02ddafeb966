"""The contact sheet of a night: its frames in the order of time, and what was measured in them over time.

Needs matplotlib, which the extra ``plot`` installs. No state of it is shared: a figure is an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from underbutler.errors import UsageError

from .night import ReducedFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["contact_sheet", "limits"]

MOST_COLUMNS: Final = 8
WIDTH_IN: Final = 12.0
PLOT_IN: Final = 1.9
HEAD_IN: Final = 0.55
CAPTION_IN: Final = 0.62
LEAST_SPAN: Final = 0.1
"""An axis spans at least this share of the median: it never magnifies noise."""
DPI: Final = 110
GREY: Final = "0.35"
MARKERS: Final = "os^Dvp*X"


def contact_sheet(frames: Sequence[ReducedFrame], title: str) -> Figure:
    """Return a figure of thumbnails and of plots over time.

    Parameters
    ----------
    frames
        In the order in which they were taken, at least one.
    title
        The line above.

    Raises
    ------
    UsageError
        If there is no frame, or matplotlib is not installed.
    """
    if not frames:
        raise UsageError("There is no frame to make a contact sheet of.")
    figure_class, canvas = _matplotlib()
    columns = min(MOST_COLUMNS, max(3, len(frames)))
    rows = -(-len(frames) // columns)
    cell = WIDTH_IN / columns
    tall = max(_tallness(frame) for frame in frames)
    row_in = cell * 0.94 * tall + CAPTION_IN
    plots = _plots(frames)
    height = HEAD_IN + rows * row_in + (PLOT_IN * len(plots) + 0.5 if plots else 0.0)
    figure: Figure = figure_class(figsize=(WIDTH_IN, height), dpi=DPI, facecolor="white")
    canvas(figure)
    figure.text(0.02, 1.0 - 0.5 * HEAD_IN / height, title, fontsize=12, va="center")
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        top = 1.0 - (HEAD_IN + row * row_in) / height
        image_in = cell * 0.94 * tall
        box = (column / columns + 0.03 / columns, top - image_in / height, 0.94 / columns, image_in / height)
        _draw_frame(figure.add_axes(box), frame)
    for number, (label, value_of) in enumerate(plots):
        bottom = (0.45 + PLOT_IN * (len(plots) - 1 - number)) / height
        axes = figure.add_axes((0.075, bottom, 0.905, (PLOT_IN - 0.25) / height))
        _draw_plot(axes, frames, label, value_of, is_last=number == len(plots) - 1)
    return figure


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: those of the values and a margin, at least a tenth of the median apart."""
    low, high = min(values), max(values)
    least = LEAST_SPAN * abs(float(np.median(values)))
    span = max(1.1 * (high - low), least) or 1.0
    middle = (low + high) / 2.0
    return middle - span / 2.0, middle + span / 2.0


def _matplotlib() -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "A contact sheet needs matplotlib, which the extra 'plot' brings: pip install 'underbutler[plot]'"
        ) from error
    return Figure, FigureCanvasAgg


def _tallness(frame: ReducedFrame) -> float:
    if frame.thumbnail is None:
        return 1.0
    ny, nx = frame.thumbnail.shape
    return float(np.clip(ny / nx, 0.2, 2.0))


def _plots(frames: Sequence[ReducedFrame]) -> list[tuple[str, Callable[[ReducedFrame], float | None]]]:
    """Return what is plotted: label with unit, and each frame's value. FWHM in arcsec if all that have one know it."""
    measured = [frame for frame in frames if frame.fwhm_px is not None]
    in_arcsec = bool(measured) and all(frame.fwhm_arcsec is not None for frame in measured)
    all_plots: list[tuple[str, Callable[[ReducedFrame], float | None]]] = [
        ("FWHM (arcsec)", lambda frame: frame.fwhm_arcsec) if in_arcsec else ("FWHM (px)", lambda frame: frame.fwhm_px),
        ("sky (e-/px)", lambda frame: frame.sky_e),
        ("sources", lambda frame: None if frame.n_sources is None else float(frame.n_sources)),
    ]
    return [one for one in all_plots if any(one[1](frame) is not None for frame in frames)]


def _draw_frame(axes: Axes, frame: ReducedFrame) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if frame.thumbnail is not None:
        axes.imshow(frame.thumbnail, origin="lower", cmap="gray", vmin=0.0, vmax=1.0, interpolation="antialiased")
    axes.set_anchor("N")
    axes.set_xlabel(_caption(frame), fontsize=6.5, color=GREY, labelpad=2, linespacing=1.25)


def _caption(frame: ReducedFrame) -> str:
    """Return three short lines: when and what, how long through which filter, what was measured."""
    what = f"{frame.target} " if frame.target else ""
    lines = [f"{frame.begin:%H:%M:%S} {what}".strip()[:26]]
    seconds = "" if frame.seconds is None else f" {frame.seconds:g} s"
    lines.append(f"{frame.filter_name[:14]}{seconds}  det {frame.detector}".strip())
    measured = []
    if frame.fwhm_arcsec is not None:
        measured.append(f'{frame.fwhm_arcsec:.2f}"')
    elif frame.fwhm_px is not None:
        measured.append(f"{frame.fwhm_px:.2f} px")
    if frame.sky_e is not None:
        measured.append(f"sky {frame.sky_e:.0f}")
    if frame.n_sources is not None:
        measured.append(f"n {frame.n_sources}")
    return "\n".join([*lines, "  ".join(measured)])


def _draw_plot(
    axes: Axes,
    frames: Sequence[ReducedFrame],
    label: str,
    value_of: Callable[[ReducedFrame], float | None],
    *,
    is_last: bool,
) -> None:
    """Draw a value over time, a marker for each detector; frames without one are left out."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    values = [value for frame in frames if (value := value_of(frame)) is not None]
    detectors = sorted({frame.detector for frame in frames})
    for number, detector in enumerate(detectors):
        known = [(frame.begin, value_of(frame)) for frame in frames if frame.detector == detector]
        points = [(begin.replace(tzinfo=None), value) for begin, value in known if value is not None]
        axes.plot(
            date2num([begin for begin, _ in points]),  # type: ignore[no-untyped-call]
            [value for _, value in points],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            linewidth=0.6,
            markeredgewidth=0,
            label=f"detector {detector}",
        )
    axes.set_ylim(*limits(values))
    axes.set_ylabel(label, fontsize=9)
    axes.grid(color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelbottom=is_last)
    begins = date2num([frame.begin.replace(tzinfo=None) for frame in frames])  # type: ignore[no-untyped-call]
    margin = max(0.02 * float(begins.max() - begins.min()), 1.0 / 1440.0)
    axes.set_xlim(float(begins.min()) - margin, float(begins.max()) + margin)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if is_last:
        axes.set_xlabel("time (UTC)", fontsize=9)
        if 1 < len(detectors) <= len(MARKERS):
            axes.legend(frameon=False, fontsize=7, loc="best", ncols=len(detectors))
