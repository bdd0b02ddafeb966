"""What can be known of `processCcd`'s frames before they are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from underbutler.pipe.findings import Look

from .calibrations import maps_of, masters_looked_at, missing_masters
from .frames import Frames
from .readouts import Readouts

if TYPE_CHECKING:
    import argparse

__all__ = ["look_at_reductions"]


def look_at_reductions(targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:
    """Look at frames of the sky: their files, and the masters that the config asks for.

    Parameters
    ----------
    targets
        Pairs of a raw frame's reference and keyword arguments.
    parsedCmd
        The parsed command.
    """
    config, butler = parsedCmd.config, parsedCmd.butler
    frames = Frames(butler, parsedCmd.collections, [(place, ref.data_id) for place, (ref, _) in enumerate(targets)])
    found = [*frames.missing()]
    map_of = maps_of(parsedCmd.repositories, parsedCmd.repo)
    overrides = config.isr.overrides(overscan=config.doOverscan)
    readouts = Readouts(frames.headers, overrides, map_of, needs_seconds=config.doDark)
    found += readouts.faults()
    names = {name: config.doBias for name in ("bias", "dark", "flat") if getattr(config, f"do{name.capitalize()}")}
    found += missing_masters(
        butler,
        names,
        frames.headers,
        collections=parsedCmd.collections,
        repo=parsedCmd.repo,
        map_of=map_of,
        readouts=readouts,
    )
    return Look(findings=tuple(found), looked_at=(*frames.looked_at(), *masters_looked_at(names)))
