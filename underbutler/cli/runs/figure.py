"""Figures of a run's fields, drawn with matplotlib: points, lines, one image.

Needs matplotlib, which the extra ``plot`` installs. No state of it is shared: a figure is an object, and pyplot is not
used.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from underbutler.model.identity import short_id
from underbutler.wording import visible

from .fields import TIME, Column, Frame, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_of_frame", "figure_of_points"]

_DPI: Final = 150
_MOST_TICKS: Final = 16
_MOST_SERIES: Final = 8
_MOST_LINES: Final = 40
_MARKERS: Final = "os^Dvp*X"
_WIDE: Final = (8.0, 4.8)
_GREY: Final = "0.45"
_WORDS: Final = {"fwhm": "FWHM", "n_sources": "sources", "read_noise": "read noise"}
"""Fields whose names are written otherwise on an axis."""


def figure_of_points(points: Points, title: str, uid: str) -> Figure:
    """Return a figure of a field against another.

    Parameters
    ----------
    points
        What is drawn.
    title
        The line above.
    uid
        Of the run; its beginning stands in the corner.
    """
    figure, axes = _figure(_WIDE, title, uid)
    if points.y.values.ndim > 1:
        _draw_lines(axes, points)
    else:
        _draw_points(axes, points)
    axes.set_ylabel(_label(points.y), parse_math=False)
    axes.grid(color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def figure_of_frame(frame: Frame, title: str, uid: str) -> Figure:
    """Return a figure of one image, stretched by zscale with a colour bar; a picture is shown as it is.

    Parameters
    ----------
    frame, title, uid
        As in `figure_of_points`.
    """
    ny, nx = frame.image.shape[:2]
    width = 7.0
    height = float(np.clip((width - 1.6) * ny / nx, 1.5, 9.0)) + 1.1
    figure, axes = _figure((width, height), title, uid, layout="compressed")
    if frame.is_picture:
        axes.imshow(frame.image, origin="upper", cmap="gray", interpolation="antialiased")
    else:
        low, high = _zscale(frame.image)
        shown = axes.imshow(frame.image, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="antialiased")
        bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.03, extend="both")
        bar.set_label(_label(Column(frame.name, frame.units, frame.image)), parse_math=False)
        bar.outline.set_linewidth(0.6)
    axes.set_xlabel("x (pixel)")
    axes.set_ylabel("y (pixel)")
    axes.set_title(visible(f"{frame.name}: {_words(frame)}"), parse_math=False, fontsize=9, loc="left")
    return figure


def _figure(
    size: tuple[float, float], title: str, uid: str, layout: Literal["constrained", "compressed"] = "constrained"
) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout=layout)
    FigureCanvasAgg(figure)
    figure.suptitle(visible(title), parse_math=False, x=0.01, ha="left", fontsize=11)
    figure.text(0.995, 0.985, f"run {short_id(uid)}", ha="right", va="top", fontsize=8, color=_GREY)
    return figure, figure.add_subplot()


def _draw_points(axes: Axes, points: Points) -> None:
    """Draw one value for each event: a marker and colour for each detector, if there are some."""
    places = _places(axes, points.x)
    groups = _groups(points)
    for number, (name, chosen) in enumerate(groups.items()):
        order = np.argsort(places[chosen], kind="stable")
        axes.plot(
            places[chosen][order],
            points.y.values[chosen][order],
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=4.5,
            linestyle="-" if _is_sequence(points.x) else "none",
            linewidth=0.6,
            color=f"C{number % 10}",
            markeredgewidth=0,
            label=name,
        )
    values = points.y.values.astype(float)
    if len(values) > 2 and points.y.values.dtype.kind == "f":
        middle = float(np.median(values))
        axes.axhline(middle, color=_GREY, linewidth=0.8, linestyle="--", zorder=1, label=f"median {middle:.5g}")
    if points.y.values.dtype.kind in "iub" and _is_narrow(values):
        _only_integers(axes, "y")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_lines(axes: Axes, points: Points) -> None:
    """Draw an array for each event, over the number of its element."""
    values = points.y.values
    shown = min(len(values), _MOST_LINES)
    for number in range(shown):
        words = [f"{name} {column[number]}" for name, column in points.data_ids.items() if len(np.unique(column)) > 1]
        axes.plot(values[number], linewidth=0.9, label=", ".join(words) or f"event {number}")
    axes.set_xlabel("element")
    if shown <= _MOST_SERIES:
        axes.legend(frameon=False, fontsize=8, loc="best")
    if shown < len(values):
        axes.set_title(f"the first {shown} of {len(values)} events", fontsize=9, loc="left")


def _places(axes: Axes, column: Column) -> npt.NDArray[Any]:
    """Return where on the x axis events stand, and label it: names get a tick each, moments dates."""
    if column.name == TIME:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.set_xlabel("time (UTC)")
        moments = [datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None) for seconds in column.values]
        return np.asarray(date2num(moments))  # type: ignore[no-untyped-call]
    axes.set_xlabel(_label(column), parse_math=False)
    if not column.is_of_words:
        if column.values.dtype.kind in "iub" and _is_narrow(column.values.astype(float)):
            _only_integers(axes, "x")
        return np.asarray(column.values, dtype=float)
    values = column.values.astype(str) if column.values.dtype.kind == "O" else column.values
    names, places = np.unique(values, return_inverse=True)
    step = -(-len(names) // _MOST_TICKS)
    labels = [str(name) for name in names[::step]]
    slanted = len(labels) > 1 and max(map(len, labels)) * len(labels) > 60
    axes.set_xticks(
        np.arange(len(names))[::step],
        labels,
        rotation=40 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor",
        fontsize=7.5 if slanted else 9,
    )
    axes.set_xlim(-0.6, len(names) - 0.4)
    return np.asarray(places)


def _groups(points: Points) -> Mapping[str | None, npt.NDArray[np.bool_]]:
    """Return which events are drawn alike: those of a detector, or all."""
    everything = np.ones(len(points.y.values), dtype=bool)
    detectors = points.data_ids.get("detector")
    if detectors is None or "detector" in {points.x.name, points.y.name}:
        return {None: everything}
    names = np.unique(detectors)
    if not 1 < len(names) <= _MOST_SERIES:
        return {None: everything}
    return {f"detector {name}": detectors == name for name in names}


def _is_sequence(column: Column) -> bool:
    """Tell whether events follow each other along the axis, so that a line between them means something."""
    return column.name in {TIME, "exposure", "visit"}


def _is_narrow(values: npt.NDArray[np.float64]) -> bool:
    return float(values.max() - values.min()) < 10


def _only_integers(axes: Axes, axis: str) -> None:
    from matplotlib.ticker import MaxNLocator

    (axes.xaxis if axis == "x" else axes.yaxis).set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _label(column: Column) -> str:
    """Return the name of a field with its units."""
    name = _WORDS.get(column.name, column.name)
    return visible(f"{name} ({column.units})" if column.units else name)


def _zscale(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the limits that IRAF's zscale gives; of an image that is flat, limits around its value."""
    from astropy.visualization import ZScaleInterval

    finite = image[np.isfinite(image)] if image.dtype.kind == "f" else image.ravel()
    if finite.size == 0:
        return 0.0, 1.0
    low, high = ZScaleInterval().get_limits(finite)
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _words(frame: Frame) -> str:
    """Return of which event an image is: its data ID, or else its time."""
    rest = [f"{name} {value}" for name, value in frame.data_id.items() if name != "instrument"]
    words = [str(frame.data_id["instrument"])] if "instrument" in frame.data_id else []
    return " ".join([*words, ", ".join(rest)]).strip() or _moment(frame.time)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
