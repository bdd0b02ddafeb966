"""``underbutler night``: the contact sheet of an observing day as a picture file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.errors import UsageError
from underbutler.settings import load_settings
from underbutler.terminal import stderr_console, stdout_console

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

__all__ = ["night"]

MOST_FRAMES = 240
FORMS = (".png", ".pdf", ".svg")


@click.command(short_help="Plot the frames of a night, and what was measured in them, as one picture.")
@click.argument("day_obs", metavar="DAY_OBS")
@click.argument("label", required=False)
@click.option("--task", metavar="TASK", help="Only RUNs of this task, of which the newest counts for each frame.")
@click.option("--collections", metavar="C,D", help="Take the frames from these, the first that has one. Default: RUNs.")
@click.option(
    "--type", "dataset_type", metavar="TYPE", default="calexp", help="Dataset type of the images. Default: calexp."
)
@click.option("-d", "--data-query", metavar="QUERY", help="Only these, in the Butler's query language.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .png, .pdf or .svg. Default: night-{label}-{day}.png here.",
)
def night(
    day_obs: str,
    label: str | None,
    task: str | None,
    collections: str | None,
    dataset_type: str,
    data_query: str | None,
    output: Path | None,
) -> None:
    """Plot the reduced frames of an observing DAY_OBS: thumbnails in the order of time, and plots over time.

    FWHM, sky and number of sources stand below each frame. LABEL may be left out where there is one repository. Of a
    frame that was reduced several times the newest RUN counts. The path of the file goes to stdout.

    \b
    Examples:
      underbutler night 20261120 demo
      underbutler night 2026-11-20 demo -d "detector = 0" -o tonight.png
      underbutler night 20261120 demo --collections u/me/processCcd/20261121T090000-1a2b3c4d
    """
    day = _day(day_obs)
    path = _checked(output)
    from underbutler.butlers import Repositories

    with Repositories(load_settings()) as repositories:
        name = label or _only(repositories)
        path = path or Path(re.sub(r"[^\w.-]", "_", f"night-{name}-{day}") + ".png")
        figure = _sheet(repositories, name, day, dataset_type, task, collections, data_query)
    _save(figure, path)
    stdout_console().print(str(path), highlight=False, markup=False, soft_wrap=True)


def _sheet(
    repositories: Repositories,
    label: str,
    day: int,
    dataset_type: str,
    task: str | None,
    collections: str | None,
    query: str | None,
) -> Any:
    from underbutler.butlers.translation import translate_butler_errors
    from underbutler.pictures.contact_sheet import contact_sheet
    from underbutler.pictures.night import evenly, night_frames, read_frame

    searched = [one.strip() for one in (collections or "").split(",") if one.strip()]
    if searched and task:
        raise UsageError("--task chooses among all RUNs, --collections names some: give one of them.")
    with repositories.butler(label) as butler, translate_butler_errors(label):
        refs = night_frames(butler, day, dataset_type=dataset_type, collections=searched, task=task, where=query or "")
        if len(refs) > MOST_FRAMES:
            stderr_console().print(
                f"{MOST_FRAMES} of {len(refs)} frames are drawn, evenly over the night; choose with -d.",
                highlight=False,
            )
        frames = [read_frame(butler, ref) for ref in evenly(refs, MOST_FRAMES)]
        instruments = sorted({str(ref.dataId["instrument"]) for ref in refs})
    text = f"{day // 10000}-{day // 100 % 100:02d}-{day % 100:02d}"
    return contact_sheet(frames, f"{', '.join(instruments)}   night of {text}   {len(refs)} frames   {label}")


def _day(text: str) -> int:
    """Return an observing day as the Butler has it."""
    match = re.fullmatch(r"(\d{4})-?(\d{2})-?(\d{2})", text.strip())
    if match is None or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        raise UsageError(f"{text!r} is not an observing day. Write it as 20261120 or 2026-11-20.", day_obs=text)
    return int("".join(match.groups()))


def _only(repositories: Repositories) -> str:
    labels = repositories.labels()
    if len(labels) != 1:
        known = ", ".join(labels) or "none; make one with underbutler repo create"
        raise UsageError(f"Name the repository: underbutler night DAY_OBS LABEL. Known: {known}.")
    return labels[0]


def _checked(path: Path | None) -> Path | None:
    """Return the path if a picture can be written there, before anything is read."""
    if path is None:
        return None
    if path.suffix.lower() not in FORMS:
        raise UsageError(
            f"{path} is not a kind of picture that is drawn. End it in {', '.join(FORMS)}.", path=str(path)
        )
    if not path.expanduser().absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} for {path.name}. Make it, or write elsewhere.")
    return path


def _save(figure: Any, path: Path) -> None:
    """Write a figure; the file appears when it is whole."""
    from uuid import uuid4

    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        figure.savefig(part, format=path.suffix.lower().removeprefix("."))
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error
    finally:
        part.unlink(missing_ok=True)
