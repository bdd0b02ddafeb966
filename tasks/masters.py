"""Which masters a frame is reduced with, and where a new one is certified: both by how the camera was set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from underbutler.butlers.masters import Masters, seconds_of, setup_label, unmapped
from underbutler.errors import LostDatasetError
from underbutler.instruments.master_choice import Master, is_same_time
from underbutler.instruments.setups import Setup

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from lsst.daf.butler import Butler

    from underbutler import DataRef
    from underbutler.butlers import CcdImage
    from underbutler.instruments.instrument_map import InstrumentMap
    from underbutler.model.dataref import DataIdValue

__all__ = ["calib_collection", "find_master"]


def find_master(
    dataRef: DataRef,
    name: str,
    *,
    has_bias: bool,
    log: logging.Logger | Any,
    exposure: int | None = None,
    notes: list[str] | None = None,
) -> CcdImage:
    """Return the master of a frame.

    Parameters
    ----------
    dataRef
        The frame; or any reference of its detector, with `exposure`.
    name
        ``bias``, ``dark`` or ``flat``.
    has_bias
        Whether the bias is subtracted from the frame: only then a dark may be scaled to another exposure time.
    log
        Is told what is to be said of the master.
    exposure
        The frame's exposure, if the reference does not name it.
    notes
        Takes what the log is told, for the header of what is made with the master.

    Raises
    ------
    LostDatasetError
        If no master fits, with what differs, how to make one, and how to do without.
    """
    rest: dict[str, Any] = {} if exposure is None else {"exposure": exposure}
    choose = getattr(dataRef, "choose_master", None)  # a reference to plain files has no choice
    try:
        if choose is None:
            alone: CcdImage = dataRef.get(name, **rest)
            return alone
        master, warning = choose(name, has_bias=has_bias, **rest)
    except LostDatasetError as error:
        raise LostDatasetError(
            f"{_reason(error, dataRef, name)} {_cure(dataRef, name)}",
            dataset_type=name,
            **{key: value for key, value in error.fields.items() if key != "dataset_type"},
        ) from error
    if warning:
        log.warning("%s", warning)
        if notes is not None:
            notes.append(warning)
    chosen: CcdImage = master
    return chosen


def calib_collection(
    butler: Butler,
    name: str,
    data_id: Mapping[str, DataIdValue],
    setup: str,
    instrument: InstrumentMap | None,
    *,
    apart: bool = False,
) -> str:
    """Return the calibration collection into which a master is certified, as the repository is now.

    ``{instrument}/calib``, as long as what is certified there for the same data ID is of the same setting; else a
    collection below it that is named after the setting.

    Parameters
    ----------
    butler
        Butler of the repository that is written.
    name
        Dataset type of the master.
    data_id
        Its data ID: instrument, detector and, for a flat, physical filter.
    setup
        How the camera was set, as the card ``UBSETUP`` says it; empty if that is not known.
    instrument
        Map of the instrument, or None.
    apart
        Whether it leaves ``{instrument}/calib`` to others, unless its like is there already.
    """
    shared = f"{data_id['instrument']}/calib"
    if not setup:
        return shared
    known = instrument or unmapped(str(data_id["instrument"]))
    held = Masters(butler, "", [shared]).certified(name, data_id, known)
    here = [one for one in held if one.collection == shared]
    tolerance = None if name == "flat" else known.setup.temperature_tolerance
    if (not here and not apart) or (here and all(_is_alike(setup, one, tolerance) for one in here)):
        return shared
    return f"{shared}/{setup_label(setup)}"


def _is_alike(setup: str, other: Master, tolerance: float | None) -> bool:
    if next(Setup.from_words(setup).differences(other.setup, tolerance), None) is not None:
        return False
    seconds = seconds_of(setup)
    return seconds is None or other.seconds is None or is_same_time(seconds, other.seconds)


def _reason(error: LostDatasetError, dataRef: DataRef, name: str) -> str:
    searched = ", ".join(dataRef.collections) or "no collection"
    differences = str(error.fields.get("reason", ""))
    words = f": {differences}" if differences else ""
    return f"No {name} is valid for {dataRef} in {searched} of {dataRef.repo!r}{words}."


def _cure(dataRef: DataRef, name: str) -> str:
    make = f"make{name.capitalize()}"
    frames = " ".join(f"{key}={dataRef.data_id[key]}" for key in ("instrument", "detector"))
    return (
        f"Make one: underbutler submit {make} {dataRef.repo} --inputId {frames} day_obs=…; widen the time of one that "
        f"exists with --validity; or do without: -c do{name.capitalize()}=false."
    )
