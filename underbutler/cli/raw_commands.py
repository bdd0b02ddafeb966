"""``underbutler raw``: the raw frames of a repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import click

from underbutler.settings import load_settings
from underbutler.terminal import raw_lines, raws_table, stderr_console, stdout_console

from .main import json_option
from .session import answer_json

__all__ = ["raw"]

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def raw() -> None:
    """List, show and remove the raw frames of a repository."""


def _choice(command: F) -> F:
    """Add the options that narrow a choice of frames."""
    for option in (
        click.option("--detector", type=int, help="Only frames of this detector."),
        click.option("--instrument", help="Only frames of this instrument."),
    ):
        command = option(command)
    return command


@raw.command("list")
@click.argument("label")
@_choice
@click.option("--day-obs", type=int, help="Only frames of this observing day, yyyymmdd.")
@json_option()
def list_frames(label: str, instrument: str | None, detector: int | None, day_obs: int | None, form: str) -> None:
    """List the raw frames of the repository LABEL.

    \b
    Examples:
      underbutler raw list demo
      underbutler raw list demo --day-obs 20261120 --detector 0
    """
    from underbutler.butlers import Repositories
    from underbutler.butlers.raws.listing import list_raws

    with Repositories(load_settings()) as repositories:
        rows = list_raws(repositories, label, instrument=instrument, detector=detector, day_obs=day_obs)
    if form == "json":
        answer_json([asdict(row) for row in rows])
    elif rows:
        stdout_console().print(raws_table(rows))
    else:
        stderr_console().print(f"The repository {label!r} has no such raw frame. Bring some in: `underbutler ingest`.")


@raw.command("show")
@click.argument("label")
@click.argument("exposure", type=int)
@_choice
@json_option()
def show_frame(label: str, exposure: int, instrument: str | None, detector: int | None, form: str) -> None:
    """Show the raw frames of an EXPOSURE: file, images, and how each is read out through its instrument's map.

    \b
    Examples:
      underbutler raw show demo 2026112000001
      underbutler raw show demo 2026112000001 --detector 1 --format json
    """
    from underbutler.butlers import Repositories
    from underbutler.butlers.raws.listing import show_raw

    with Repositories(load_settings()) as repositories:
        rows = _found(repositories, label, [exposure], instrument, detector)
        answers = [show_raw(repositories, label, row) for row in rows]
    if form == "json":
        answer_json(answers)
    else:
        click.echo("\n\n".join("\n".join(raw_lines(answer)) for answer in answers))


@raw.command("remove")
@click.argument("label")
@click.argument("exposures", type=int, nargs=-1, required=True)
@_choice
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_frames(
    label: str, exposures: tuple[int, ...], instrument: str | None, detector: int | None, yes: bool
) -> None:
    """Remove the raw frames of EXPOSURES from the repository LABEL, with the files that it keeps of them.

    What was made of a frame stays. The exposure's record stays too, and takes the values of the next frame that is
    ingested for it.

    \b
    Examples:
      underbutler raw remove demo 2026112000001
      underbutler raw remove demo 2026112000001 2026112000002 --detector 0 --yes
    """
    from underbutler.butlers import Repositories
    from underbutler.butlers.raws.listing import remove_raws

    with Repositories(load_settings()) as repositories:
        rows = _found(repositories, label, exposures, instrument, detector)
        if not yes:
            click.confirm(f"Remove {len(rows)} raw frame{'s' if len(rows) > 1 else ''} from {label!r}?", abort=True)
        remove_raws(repositories, label, rows)
    click.echo(f"{len(rows)} removed")


def _found(repositories: Any, label: str, exposures: Any, instrument: str | None, detector: int | None) -> list[Any]:
    from underbutler.butlers.raws.listing import list_raws
    from underbutler.errors import UsageError

    rows = list_raws(repositories, label, instrument=instrument, exposures=list(exposures), detector=detector)
    missing = sorted(set(exposures) - {row.exposure for row in rows})
    if missing:
        raise UsageError(
            f"The repository {label!r} has no raw frame of exposure {', '.join(map(str, missing))}. "
            f"See `underbutler raw list {label}`."
        )
    return rows
