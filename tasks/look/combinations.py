"""What can be known of the frames that become masters, and of the masters' certification, before they are combined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.masters import calib_collection
from tasks.validity import parse_validity, validity_text
from underbutler.model.dataref import human_data_id
from underbutler.pipe.findings import Finding, Look
from underbutler.wording import counted

from .calibrations import maps_of, masters_looked_at, missing_masters
from .certified import certified_in
from .frames import Frames
from .readouts import Readouts

if TYPE_CHECKING:
    import argparse

    from lsst.daf.butler import Butler

    from underbutler import DataRef
    from underbutler.butlers.masters import MapOf

__all__ = ["look_at_combinations"]

_LEAST = 2
"""Fewer frames than these no config allows."""


def look_at_combinations(calibration: str, targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:
    """Look at masters to be made: number and files of their frames, the masters that these need, certifications.

    Parameters
    ----------
    calibration
        Dataset type of the masters.
    targets
        Pairs of a master's reference and keyword arguments.
    parsedCmd
        The parsed command.
    """
    config, butler = parsedCmd.config, parsedCmd.butler
    frames = Frames(butler, parsedCmd.collections, _inputs(targets))
    needed = [name for name in ("bias", "dark") if getattr(config, f"do{name.capitalize()}", False)]
    found = [*_too_few(calibration, targets, config.minInputs), *frames.missing()]
    map_of = maps_of(parsedCmd.repositories, parsedCmd.repo)
    overrides = config.isr.overrides(overscan=config.doOverscan)
    readouts = Readouts(frames.headers, overrides, map_of, needs_seconds=calibration == "dark" or "dark" in needed)
    found += readouts.faults()
    found += _several_shapes(calibration, targets, frames, readouts)
    found += missing_masters(
        butler,
        dict.fromkeys(needed, "bias" in needed),
        frames.headers,
        collections=parsedCmd.collections,
        repo=parsedCmd.repo,
        map_of=map_of,
        readouts=readouts,
    )
    with parsedCmd.repositories.butler(parsedCmd.out) as output:
        found += _overlaps(output, calibration, targets, maps_of(parsedCmd.repositories, parsedCmd.out))
    looked = [*frames.looked_at(), *masters_looked_at(needed)]
    looked += [f"the certifications of {counted(len(targets), calibration, f'{calibration} masters')}"]
    return Look(findings=tuple(found), looked_at=tuple(looked))


def _inputs(targets: Sequence[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, (ref, kwargs) in enumerate(targets):
        for exposure in kwargs.get("exposures", ()):
            yield place, {**ref.data_id, "exposure": exposure}


def _too_few(calibration: str, targets: Sequence[Any], least: int) -> Iterator[Finding]:
    for place, (ref, kwargs) in enumerate(targets):
        number = len(kwargs.get("exposures", ()))
        if number < least:
            override = (f"minInputs={number}",) if number >= _LEAST else ()
            words = f", or set -c {override[0]}" if override else ""
            yield Finding(
                group=f"The {calibration} of {human_data_id(ref.data_id)}",
                what=f"it has {counted(number, 'frame')}, and takes {least} or more",
                cure=f"Name more with --inputId{words}.",
                targets=(place,),
                overrides=override,
            )


def _several_shapes(calibration: str, targets: Sequence[Any], frames: Frames, readouts: Readouts) -> Iterator[Finding]:
    """Yield the masters whose frames are of several shapes."""
    shapes: dict[int, dict[tuple[int, int], list[str]]] = {}
    for frame, header in frames.headers:
        if (readout := readouts.of(frame, header)) is not None:
            shapes.setdefault(frame.target, {}).setdefault(readout.shape, []).append(str(frame.exposure))
    for place, by_shape in shapes.items():
        if len(by_shape) > 1:
            told = "; ".join(f"{shape}: exposure={'^'.join(ones[:3])}" for shape, ones in by_shape.items())
            yield Finding(
                group=f"The {calibration} of {human_data_id(targets[place][0].data_id)}",
                what=f"its frames have several shapes, in rows and columns ({told})",
                cure="Name frames of one readout with --inputId.",
                targets=(place,),
            )


def _overlaps(output: Butler, calibration: str, targets: Sequence[Any], map_of: MapOf) -> Iterator[Finding]:
    held: dict[str, Any] = {}
    for place, (ref, kwargs) in enumerate(targets):
        if kwargs.get("replace") or "validity" not in kwargs:
            continue
        setup, apart = str(kwargs.get("setup", "")), bool(kwargs.get("apart"))
        instrument = map_of(str(ref.data_id["instrument"]))
        collection = calib_collection(output, calibration, ref.data_id, setup, instrument, apart=apart)
        if collection not in held:
            held[collection] = certified_in(output, calibration, [collection])
        span = parse_validity(kwargs["validity"])
        others = [one for one in held[collection].of(ref.data_id) if one.is_valid_at(span) and one.ref.run != ref.run]
        if others:
            yield _overlap(calibration, place, ref, kwargs["validity"], others)


def _overlap(calibration: str, place: int, ref: DataRef, validity: str, others: Sequence[Any]) -> Finding:
    other = others[0]
    more = f" and {len(others) - 1} others" if len(others) > 1 else ""
    return Finding(
        group=f"The {calibration} of {human_data_id(ref.data_id)} over {validity}",
        what=f"it overlaps in {other.collection} with {other.ref.id} of {other.ref.run} over "
        f"{validity_text(other.timespan)}{more}",
        cure="Certify over another time with --validity BEGIN..END, or take that time from the other one with "
        "--replace.",
        targets=(place,),
        options=("--replace",),
    )
