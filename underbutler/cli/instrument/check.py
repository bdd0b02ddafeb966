"""``underbutler instrument check``: what a map reads of frames, and what is missing, before any repository exists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.cli.main import json_option
from underbutler.cli.session import answer_json

if TYPE_CHECKING:
    from underbutler.instruments.frame_check import FrameCheck

__all__ = ["check"]


@click.command()
@click.argument("map_name", metavar="MAP")
@click.argument("frames", metavar="FRAME...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option()
@click.pass_context
def check(ctx: click.Context, map_name: str, frames: tuple[Path, ...], form: str) -> None:
    """Print what MAP reads of each FRAME, and what is missing: MAP is a TOML file or the name of one that ships.

    The exit status is 2 if a frame could not be ingested and reduced.

    \b
    Examples:
      underbutler instrument check mine.toml night/*.fits
      underbutler instrument check NINA m13.fits
    """
    from underbutler.errors import UsageError
    from underbutler.instruments.frame_check import FrameCheck, check_frame
    from underbutler.instruments.packings import stem_of

    from .frames import frame_parts, named_map

    instrument = named_map(map_name)
    answers: list[tuple[Path, FrameCheck]] = []
    for file in frames:
        try:
            found = check_frame(frame_parts(file), stem_of(file.name), instrument)
        except UsageError as error:
            found = [FrameCheck(instrument=instrument.name, refused=str(error))]
        answers += [(file, one) for one in found]
    if form == "json":
        answer_json([{"file": str(file), **_document(one)} for file, one in answers])
    else:
        for file, one in answers:
            click.echo(f"{file}")
            for line in _lines(one):
                click.echo(f"  {line}")
        ready = sum(one.is_ready for _, one in answers)
        click.echo(f"{ready} of {len(answers)} can be ingested and reduced")
    if not all(one.is_ready for _, one in answers):
        ctx.exit(2)


def _facts(one: FrameCheck) -> dict[str, str]:
    """Return what was read, as people write it."""
    facts = {"instrument": one.instrument}
    seen = one.observation
    if seen is not None:
        position = "unknown" if seen.ra is None or seen.dec is None else f"{seen.ra:.5f} {seen.dec:+.5f} deg"
        facts |= {
            "exposure": f"{seen.exposure}" + ("" if seen.is_counted else " (of the UTC begin)"),
            "detector": f"{seen.detector}",
            "begin": f"{seen.begin.utc.isot} UTC, observing day {seen.day_obs}",
            "time": f"{seen.seconds:g} s",
            "kind": seen.observation_type,
            "filter": f"{seen.physical_filter}, band {seen.band}",
            "object": f"{seen.target or 'unknown'}, at {position}",
        }
    facts["setting"] = one.setup.to_words() or "unknown"
    readout = one.readout
    if readout is not None:
        facts["image"] = f"{readout.shape[0]} rows x {readout.shape[1]} columns"
        for amplifier in readout.amplifiers:
            strip = "no overscan" if amplifier.overscan is None else f"overscan {amplifier.overscan.box}"
            facts[f"amplifier {amplifier.name}".strip()] = (
                f"gain {amplifier.gain:g} e-/ADU, read noise {amplifier.read_noise:g} e-, saturation "
                f"{amplifier.saturation:g} ADU, light {amplifier.data}, {strip}"
            )
    return facts


def _lines(one: FrameCheck) -> list[str]:
    facts = _facts(one)
    width = max(len(key) for key in facts)
    lines = [f"{key:<{width}}  {value}" for key, value in facts.items()]
    lines += [f"refused: {one.refused}"] if one.refused else []
    lines += [f"missing: {words}" for words in one.missing]
    return lines + [f"note: {words}" for words in one.notes]


def _document(one: FrameCheck) -> dict[str, Any]:
    return {
        "ready": one.is_ready,
        "read": _facts(one),
        "refused": one.refused,
        "missing": list(one.missing),
        "notes": list(one.notes),
    }
