"""Masters of a whole detector, cut to the window that a frame was read out in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from underbutler.errors import UsageError
from underbutler.instruments.placement import binning_of, window_of
from underbutler.instruments.sections import Box, Window

if TYPE_CHECKING:
    from underbutler.butlers import CcdImage
    from underbutler.instruments.readout import Readout

__all__ = ["fitted_master", "place_in_master"]


def fitted_master(name: str, master: CcdImage, readout: Readout) -> CcdImage:
    """Return a master of a frame's shape: the master, or the part of it that the frame's window is.

    Parameters
    ----------
    name
        Its dataset type.
    master
        The master.
    readout
        How the frame was read out.

    Raises
    ------
    UsageError
        If it does not fit: the text names both shapes.
    """
    box = place_in_master(name, master.shape, master.header, readout)
    return master if box is None else _cut(master, box)


def place_in_master(name: str, shape: tuple[int, int], header: Mapping[str, Any], readout: Readout) -> Box | None:
    """Return which part of a master a frame takes; None: all of it.

    A master whose header does not say which part of the detector it is, is taken for the whole of it.

    Parameters
    ----------
    name
        Its dataset type.
    shape, header
        Rows and columns of its image, and the image's header.
    readout
        How the frame was read out.

    Raises
    ------
    UsageError
        If it does not fit: the text names both shapes.
    """
    if readout.window is None:
        if shape == readout.shape:
            return None
        why = "and the frame's header does not say which window of the detector it is"
        raise _unfit(name, shape, readout, why)
    window = readout.window
    words = dict.fromkeys([readout.keywords.get("place"), None])
    own = next((one for one in (window_of(header, word, shape) for word in words) if one), None)
    if own is None:
        if shape == readout.shape:
            return None
        own = Window(box=Box(0, shape[0], 0, shape[1]), binning=binning_of(header) or (1, 1))
    if own == window:
        return None
    if own.binning != window.binning:
        raise _unfit(name, shape, readout, f"in binnings of {own.binning} and {window.binning} rows and columns")
    if not own.box.holds(window.box):
        raise _unfit(name, shape, readout, f"which are {own.section} and {window.section} of the detector")
    return window.box.moved(-own.box.y0, -own.box.x0)


def _cut(master: CcdImage, box: Box) -> CcdImage:
    from underbutler.butlers import CcdImage

    part = box.slices
    return CcdImage(
        master.image[part],
        master.mask[part],
        master.variance[part],
        header=master.header,
        unit=master.unit,
        mask_planes=master.mask_planes,
    )


def _unfit(name: str, shape: tuple[int, int], readout: Readout, why: str) -> UsageError:
    return UsageError(
        f"The {name} has {shape} pixels and the trimmed frame {readout.shape}, {why}. Make a {name} from frames "
        f"of this readout, or do without: -c do{name.capitalize()}=false.",
        calibration=name,
    )
