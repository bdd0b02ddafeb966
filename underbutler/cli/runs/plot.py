"""``underbutler runs plot``: one field of a run as a picture file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import click

from underbutler.errors import UnderbutlerError, UsageError, suggest
from underbutler.model.identity import short_id
from underbutler.terminal import stderr_console, stdout_console

from .catalog import RunCommand, catalog_option, chosen_catalog, open_catalog, run_named

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.figure import Figure

    from underbutler.catalog import BlueskyRun

__all__ = ["plot_run"]

_FORMS: Final = (".png", ".pdf", ".svg")


@click.command("plot", cls=RunCommand, short_help="Plot a field of a run, or one of its images, to a PNG file.")
@click.argument("uid")
@click.argument("field")
@click.option("--stream", metavar="NAME", help="Stream to plot. Default: primary.")
@click.option("--against", metavar="FIELD", help="The x axis. Default: exposure, detector, or else time.")
@click.option("--index", type=int, help="Which event's image or array, from 0; -1 is the last. Default of images: 0.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .png, .pdf or .svg. Default: {task}-{uid}-{field}.png here.",
)
@catalog_option
@click.pass_context
def plot_run(
    ctx: click.Context,
    uid: str,
    field: str,
    stream: str | None,
    against: str | None,
    index: int | None,
    output: Path | None,
    catalog: str | None,
) -> None:
    """Plot a FIELD of a run: numbers against exposures, an image of one event, an array of each.

    UID is a uid, its first or last characters, a scan id, or -1, -2 … for the newest runs. Of images only the wanted
    one is fetched. The path of the file goes to stdout.

    \b
    Examples:
      underbutler runs plot 1a2b3c4d fwhm
      underbutler runs plot -1 n_sources --against background -o sources.png
      underbutler runs plot -1 seconds --against time
      underbutler runs plot -1 calexp --index 3
    """
    form = _form_of(output)
    _check_matplotlib()
    run = run_named(open_catalog(chosen_catalog(ctx, catalog)), uid)
    figure = _figure(run, field, stream, against, index)
    path = output or Path(_default_name(run, field))
    _save(figure, path, form)
    stdout_console().print(str(path), highlight=False, markup=False, soft_wrap=True)


def _figure(run: BlueskyRun, field: str, stream_name: str | None, against: str | None, index: int | None) -> Figure:
    from .fields import chosen_stream, read_frame, read_points
    from .figure import figure_of_frame, figure_of_points

    stream = chosen_stream(run, stream_name)
    title = _title(run, stream.stream_name)
    frame = read_frame(stream, field, 0 if index is None else index, partial(_of_the_butler, run))
    if frame is not None:
        if against is not None:
            raise UsageError(f"{field!r} is an image: it is shown as it is, without --against. Choose one by --index.")
        return figure_of_frame(frame, title, run.uid)
    points = read_points(stream, field, against, index)
    if points.n_left_out:
        of = points.n_left_out + len(points.y.values)
        stderr_console().print(
            f"{points.n_left_out} of {of} events have no finite value and are left out.", highlight=False
        )
    return figure_of_points(points, title, run.uid)


def _of_the_butler(run: BlueskyRun, gone: UsageError) -> npt.NDArray[Any]:
    """Return the dataset of which a file was a copy that is gone, and say so.

    Raises
    ------
    UsageError
        What was given, if nothing says which dataset that is, or the Butler has it no more.
    """
    from underbutler.catalog.handlers.butler_dataset import ButlerDataset

    cause: BaseException | None = gone
    dataset = None
    while cause is not None and dataset is None:
        dataset = cause.fields.get("dataset") if isinstance(cause, UnderbutlerError) else None
        cause = cause.__cause__
    label = run.start.get("out") or run.start.get("label")
    if not isinstance(dataset, str) or not isinstance(label, str):
        raise gone
    try:
        image = ButlerDataset(f"butler://{label}/{dataset}")()
    except UnderbutlerError as error:
        raise gone from error
    stderr_console().print(
        f"{gone.fields.get('url')} is gone from the annex: this is the Butler's own dataset {dataset} in {label!r}.",
        soft_wrap=True,
        highlight=False,
    )
    return image


def _title(run: BlueskyRun, stream: str) -> str:
    """Return what the figure is of: task, repository, when."""
    start = run.start
    task = str(start.get("task") or start.get("plan_name") or "run")
    words = [f"{task} of {start['label']}" if start.get("label") else task]
    if stream != "primary":
        words.append(stream)
    if isinstance(start.get("time"), int | float):
        words.append(f"{datetime.fromtimestamp(start['time'], UTC):%Y-%m-%d %H:%M} UTC")
    return ", ".join(words)


def _default_name(run: BlueskyRun, field: str) -> str:
    task = str(run.start.get("task") or run.start.get("plan_name") or "run")
    return re.sub(r"[^\w.-]", "_", f"{task}-{short_id(run.uid)}-{field}") + ".png"


def _form_of(path: Path | None) -> str:
    """Return the form of a file, by its suffix, and see that its folder is there."""
    if path is None:
        return "png"
    if path.suffix.lower() not in _FORMS:
        raise UsageError(
            f"{path} is to be no picture of a kind that is drawn.{suggest(path.suffix, _FORMS)} End it in "
            f"{', '.join(_FORMS)}.",
            path=str(path),
        )
    if not path.expanduser().absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} for {path.name}. Make it, or write elsewhere.")
    return path.suffix.lower().removeprefix(".")


def _check_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UsageError(
            "`runs plot` needs matplotlib, which the extra 'plot' brings: pip install 'underbutler[plot]'"
        ) from error


def _save(figure: Any, path: Path, form: str) -> None:
    """Write a figure; the file appears when it is whole."""
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        figure.savefig(part, format=form)
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
