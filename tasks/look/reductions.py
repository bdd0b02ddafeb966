"""What can be known of `processCcd`'s frames before they are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from underbutler.pipe.findings import Look
from underbutler.wording import counted

from .calibrations import missing_masters
from .frames import Frames

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
    masters = [name for name in ("bias", "dark", "flat") if getattr(config, f"do{name.capitalize()}")]
    found = [
        *frames.missing(),
        *missing_masters(butler, masters, frames.all, collections=parsedCmd.collections, repo=parsedCmd.repo),
    ]
    looked = [f"the files of {counted(len(frames), 'frame')}"]
    if masters:
        looked.append(f"the {', '.join(masters)} of each")
    return Look(findings=tuple(found), looked_at=tuple(looked))
