"""``underbutler instrument list``, ``show``, ``new``; and the group."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import click

from underbutler.cli.main import json_option
from underbutler.cli.session import answer_json
from underbutler.errors import UsageError
from underbutler.terminal import stderr_console

from .check import check
from .measure import measure

__all__ = ["instrument"]

FRAMES = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def instrument() -> None:
    """Describe a camera: see shipped maps, draft one of your own, try it on frames."""


instrument.add_command(check)
instrument.add_command(measure)


@instrument.command("list")
@json_option()
def list_instruments(form: str) -> None:
    """List the cameras that are known: by a map that ships, by the software that writes, or by a translator.

    \b
    Examples:
      underbutler instrument list
    """
    from underbutler.instruments.instrument_map import shipped_dialects, shipped_maps
    from underbutler.instruments.translation import translator_cameras

    rows: list[dict[str, Any]] = [
        {"name": one.name, "kind": kind, "description": one.description}
        for kind, maps in (("instrument", shipped_maps()), ("software", shipped_dialects()))
        for one in maps
    ]
    mapped = {one.translator for one in shipped_maps()}
    words = (
        "what is observed, as astro_metadata_translator reads it; sections and gain by the usual keywords or a map: "
        "instrument new"
    )
    rows += [
        {"name": name, "kind": "translator", "description": words}
        for name in translator_cameras()
        if name not in mapped
    ]
    if form == "json":
        answer_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['kind']:<10}  {row['description']}")


@instrument.command()
@click.argument("name")
def show(name: str) -> None:
    """Print a shipped map as TOML, to copy and change.

    \b
    Examples:
      underbutler instrument show SIMCAM > mine.toml
      underbutler instrument show NINA
    """
    from .frames import named_map

    found = named_map(name)
    for folder in ("maps", "dialects"):
        file = resources.files("underbutler.instruments") / folder / f"{name}.toml"
        if file.is_file():
            click.echo(file.read_text(encoding="utf-8"), nl=False)
            return
    if found.translator == name and not Path(name).is_file():
        click.echo(_of_translator(name), nl=False)
        return
    click.echo(Path(name).read_text(encoding="utf-8"), nl=False)


def _of_translator(name: str) -> str:
    """Return the map of a camera that only a translator knows, as `new` completes it from frames."""
    lines = [
        "# What is observed is read by the translator. Better: underbutler instrument new FRAME...",
        f'name = "{name}"',
        f'translator = "{name}"',
        "",
        "[match]",
        'INSTRUME = "*"    # ? the camera\'s own INSTRUME, so that no other frame is taken for its',
        "",
        "[extensions]    # the translator says of which detector each image is",
        'images = ["*"]',
        "",
        "[frame]    # keywords of gain, read noise and sections, where they are not the usual ones",
    ]
    return "\n".join(lines) + "\n"


@instrument.command()
@click.argument("frames", nargs=-1, required=True, type=FRAMES)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write the map to.")
def new(frames: tuple[Path, ...], output: Path | None) -> None:
    """Draft a map of one camera from headers of its FRAMES: name a bias, a flat and a frame of the sky.

    A camera that a translator knows needs a map only for gain, read noise and sections.

    What was guessed has a comment, and what could not be guessed is a question: a line that begins with '# ?'.

    \b
    Examples:
      underbutler instrument new bias1.fits flat1.fits m13.fits -o mine.toml
      underbutler instrument check mine.toml *.fits
    """
    from underbutler.instruments.drafting import draft_map
    from underbutler.instruments.instrument_map import shipped_dialects, shipped_maps, translated_map

    from .frames import frame_parts

    parts = [frame_parts(file) for file in frames]
    first: Mapping[str, Any] = next((members[0].header for members in parts if members), {})
    base = next((one for one in shipped_dialects() if one.matches(first)), None) or translated_map(first)
    draft = draft_map(parts, base)
    if output is None:
        click.echo(draft.text, nl=False)
    else:
        if output.exists():
            raise UsageError(f"{output} exists: name another file, or remove it.", path=str(output))
        output.write_text(draft.text, encoding="utf-8")
    say = stderr_console().print
    shipped = next((one for one in shipped_maps() if one.matches(first)), None)
    if shipped is not None:
        words = (
            f"The map {shipped.name} that ships is for this camera, too: underbutler instrument show {shipped.name}."
        )
        say(words, highlight=False, soft_wrap=True)
    if draft.questions:
        say(f"{len(draft.questions)} to answer in the map, in lines that begin with '# ?':", highlight=False)
    for question in draft.questions:
        say(f"  {question}", highlight=False, soft_wrap=True, markup=False)
    say(f"Then: underbutler instrument check {output or 'MAP'} FRAME...", highlight=False, soft_wrap=True)
