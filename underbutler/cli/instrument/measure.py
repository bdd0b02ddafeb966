"""``underbutler instrument measure``: gain and read noise from two flats and two biases."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from underbutler.cli.main import json_option
from underbutler.cli.session import answer_json
from underbutler.terminal import stderr_console

if TYPE_CHECKING:
    from underbutler.instruments.instrument_map import InstrumentMap
    from underbutler.instruments.readout import AmplifierReadout, FramePart

__all__ = ["measure"]

FRAME = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--flat", "flats", nargs=2, required=True, type=FRAME, help="Two flats of one lamp, filter and time.")
@click.option("--bias", "biases", nargs=2, required=True, type=FRAME, help="Two biases.")
@click.option("--map", "map_name", metavar="MAP", help="Map of the camera. Default: the one that ships for it, if any.")
@json_option()
def measure(flats: tuple[Path, Path], biases: tuple[Path, Path], map_name: str | None, form: str) -> None:
    """Measure gain and read noise of each amplifier by photon transfer, and compare them with what the map says.

    \b
    Examples:
      underbutler instrument measure --flat flat1.fits flat2.fits --bias bias1.fits bias2.fits
      underbutler instrument measure --map mine.toml --flat f1.fits f2.fits --bias b1.fits b2.fits
    """
    from underbutler.errors import UsageError
    from underbutler.instruments.photon_transfer import contradicts, photon_transfer

    from .frames import frame_parts, map_of, named_map

    headers = [frame_parts(file) for file in (*flats, *biases)]
    if not all(headers):
        raise UsageError("One of the files holds no two-dimensional image.")
    instrument = named_map(map_name) if map_name is not None else None
    if instrument is None:
        try:
            instrument = map_of(headers[0])
        except UsageError:
            stderr_console().print("No map is for these frames: the whole image is taken, as one amplifier.")
    rows: list[dict[str, Any]] = []
    for part, amplifier in _amplifiers(headers[0], instrument):
        pixels = [_pixels(file, part.number) for file in (*flats, *biases)]
        box = amplifier.data
        found = photon_transfer(
            (pixels[0], pixels[1]), (pixels[2], pixels[3]), (slice(box.y0, box.y1), slice(box.x0, box.x1))
        )
        said = _said_gain(headers[0], instrument, amplifier)
        warning = ""
        if said is not None and contradicts(found.gain, said):
            warning = (
                f"Header and map say a gain of {said:g} e-/ADU, and the frames one of {found.gain:.3g}: a driver's "
                f"setting is not a gain. Write into the map: [constants] gain = {found.gain:.3g}."
            )
        rows.append({"amplifier": amplifier.name, **asdict(found), "said": said, "warning": warning})
    if form == "json":
        answer_json(rows)
        return
    for row in rows:
        name = f"amplifier {row['amplifier']}: " if row["amplifier"] else ""
        click.echo(
            f"{name}gain {row['gain']:.4g} +- {row['gain_error']:.2g} e-/ADU, read noise {row['read_noise']:.3g} e-, "
            f"from {row['level']:.0f} ADU of light"
        )
        if row["warning"]:
            stderr_console().print(f"[yellow]Warning:[/yellow] {row['warning']}", soft_wrap=True, highlight=False)


def _amplifiers(
    parts: tuple[FramePart, ...], instrument: InstrumentMap | None
) -> list[tuple[FramePart, AmplifierReadout]]:
    """Return the amplifiers of the frame's first detector, whatever is known of gain and read noise."""
    from underbutler.instruments.extensions import parts_by_detector
    from underbutler.instruments.layout import readout_of
    from underbutler.instruments.readout import ReadoutOverrides

    own = parts[:1] if instrument is None else next(iter(parts_by_detector(parts, instrument).values()))
    has_trim = instrument is not None
    overrides = ReadoutOverrides(gain=1.0, read_noise=0.0, do_overscan=False, do_trim=has_trim)
    readout = readout_of(own, instrument, overrides=overrides)
    by_number = {part.number: part for part in own}
    return [(by_number[one.part], one) for one in readout.amplifiers]


def _said_gain(
    parts: tuple[FramePart, ...], instrument: InstrumentMap | None, amplifier: AmplifierReadout
) -> float | None:
    """Return the gain that header and map say for an amplifier; None if they say none."""
    from underbutler.errors import UsageError
    from underbutler.instruments.layout import readout_of
    from underbutler.instruments.readout import ReadoutOverrides

    overrides = ReadoutOverrides(read_noise=0.0, do_overscan=False, do_trim=instrument is not None)
    own = [part for part in parts if part.number == amplifier.part]
    try:
        found = readout_of(own, instrument, overrides=overrides).amplifiers
    except UsageError:
        return None
    return next((one.gain for one in found if one.name == amplifier.name), found[0].gain)


def _pixels(file: Path, number: int) -> Any:
    """Return the counts of one image of a file."""
    import numpy as np
    from astropy.io import fits

    from underbutler.errors import UsageError

    try:
        with fits.open(file, memmap=False) as hdus:
            return np.squeeze(np.asarray(hdus[number].data, dtype=np.float64))
    except (OSError, IndexError, TypeError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}", file=str(file)) from error
