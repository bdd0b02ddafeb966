"""Which masters a command makes, and from which exposures: the target list of the calibration tasks."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any, TypeAlias

from tasks.validity import days_covered, parse_validity, validity_text
from underbutler import DataRef, TaskRunner
from underbutler.butlers.data_ids import expanded_exposures
from underbutler.butlers.frame_headers import frame_facts, frame_headers, raw_refs
from underbutler.butlers.masters import setup_label, setup_words, unmapped
from underbutler.errors import UsageError
from underbutler.instruments.master_choice import is_same_time
from underbutler.instruments.setups import Setup
from underbutler.model.dataref import DataIdValue, human_data_id

__all__ = ["DIMENSIONS", "CalibRunner"]

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "bias": ("instrument", "detector"),
    "dark": ("instrument", "detector"),
    "flat": ("instrument", "detector", "physical_filter"),
}
"""What a master is made for, by its dataset type."""

Key: TypeAlias = tuple[DataIdValue, ...]
Member: TypeAlias = tuple[DataRef, Any]
"""A frame and its exposure's records."""
Setting: TypeAlias = tuple[Setup, float]
"""How the camera was set, and by how much temperatures may differ."""


class CalibRunner(TaskRunner):
    """Groups input exposures by the data ID of the master, and by how the camera was set."""

    @staticmethod
    def getTargetList(parsedCmd: argparse.Namespace, **kwargs: Any) -> list[Any]:
        """Return one target per master: the reference names the output, its kwargs hold the input exposures.

        Exposures of another observation type are left aside, so that ``--inputId`` may name a whole night. ``--id``, if
        it is given, says which masters are wanted of those that the inputs allow.

        Raises
        ------
        UsageError
            If no input of the right type is left for what was named, or ``--validity`` is not a range.
        """
        if parsedCmd.validity is not None:
            parse_validity(parsedCmd.validity)
        butler = getattr(parsedCmd, "readButler", None) or parsedCmd.butler
        name = parsedCmd.id.datasetType
        dimensions = DIMENSIONS[name]
        groups = _grouped(parsedCmd.inputId.refList, butler, parsedCmd.config.observationType, dimensions)
        if not groups and parsedCmd.inputId.refList and not parsedCmd.allowEmpty:
            raise UsageError(
                f"None of the {len(parsedCmd.inputId.refList)} frames that --inputId names is of the observation type "
                f"{parsedCmd.config.observationType!r}. Name others, or set -c observationType=….",
                observation_type=parsedCmd.config.observationType,
            )
        n_taken = sum(len(members) for members in groups.values())
        parsedCmd.log.info(
            "%d of %d frames are %s frames.", n_taken, len(parsedCmd.inputId.refList), parsedCmd.config.observationType
        )
        wanted = [dict(data_id) for data_id in parsedCmd.id.idList]
        _refuse_unmade(wanted, [dict(zip(dimensions, key, strict=True)) for key in groups], name, parsedCmd)
        asked = {
            key: members
            for key, members in groups.items()
            if not wanted or any(_agree(one, dict(zip(dimensions, key, strict=True))) for one in wanted)
        }
        settings = _settings(asked, butler, parsedCmd)
        targets = []
        for key, members in sorted(asked.items()):
            data_id = dict(zip(dimensions, key, strict=True))
            for rank, (setup, alike) in enumerate(by_setting(name, members, settings)):
                ref = alike[0][0].replaced(data_id=data_id, dataset_type=name)
                made = _kwargs(alike, parsedCmd) | _setting_kwargs(name, setup, alike, parsedCmd, apart=rank > 0)
                targets.append((ref, made | kwargs))
        return _in_runs_of_their_own(targets)


def by_setting(
    name: str, members: Sequence[Member], settings: Mapping[tuple[Any, ...], Setting]
) -> list[tuple[Setup, list[Member]]]:
    """Divide the frames of one master's data ID by how the camera was set; those of the most frames come first.

    Parameters
    ----------
    name
        Dataset type of the master.
    members
        The frames, with their exposures' records.
    settings
        By instrument, exposure and detector: how the camera was set, and by how much temperatures may differ.
    """
    groups: list[tuple[Setup, float, list[Member]]] = []
    for ref, known in sorted(members, key=lambda one: _order(settings[_place(one[0])], one[0])):
        setup, tolerance = settings[_place(ref)]
        seconds = float(known.records["exposure"].exposure_time or 0.0)
        allowed = None if name == "flat" else tolerance
        for first, time, alike in groups:
            if next(setup.differences(first, allowed), None) is None and (
                name != "dark" or is_same_time(seconds, time)
            ):
                alike.append((ref, known))
                break
        else:
            groups.append((setup, seconds, [(ref, known)]))
    found = [(_middle(setup, [settings[_place(ref)][0] for ref, _ in alike]), alike) for setup, _, alike in groups]
    return sorted(found, key=lambda one: (-len(one[1]), min(int(ref.data_id["exposure"]) for ref, _ in one[1])))


def _order(setting: Setting, ref: DataRef) -> tuple[float, int]:
    setup, _ = setting
    return (0.0 if setup.temperature is None else setup.temperature, int(ref.data_id["exposure"]))


def _middle(setup: Setup, members: list[Setup]) -> Setup:
    """Return a setting with the median temperature of its frames."""
    known = [one.temperature for one in members if one.temperature is not None]
    return replace(setup, temperature=round(median(known), 3)) if known else setup


def _place(ref: DataRef) -> tuple[Any, ...]:
    return tuple(ref.data_id[name] for name in ("instrument", "exposure", "detector"))


def _settings(
    groups: Mapping[Key, Sequence[Member]], butler: Any, parsedCmd: argparse.Namespace
) -> dict[tuple[Any, ...], Setting]:
    """Read of each frame how the camera was set."""
    refs = [ref for members in groups.values() for ref, _ in members]
    raws = raw_refs(butler, [ref.data_id for ref in refs], parsedCmd.collections)
    repositories = getattr(parsedCmd, "repositories", None)
    found: dict[tuple[Any, ...], Setting] = {}
    for frame in frame_headers(butler, raws.values()):
        name = str(frame.ref.dataId["instrument"])
        instrument = None if repositories is None else repositories.instrument_map(parsedCmd.repo, name)
        instrument = instrument or unmapped(name)
        place = (name, int(frame.ref.dataId["exposure"]), int(frame.ref.dataId["detector"]))
        found[place] = (frame_facts(frame, instrument).setup, instrument.setup.temperature_tolerance)
    return {_place(ref): found.get(_place(ref), (Setup(), 0.0)) for ref in refs}


def _setting_kwargs(
    name: str, setup: Setup, members: Sequence[Member], parsedCmd: argparse.Namespace, *, apart: bool
) -> dict[str, Any]:
    """Return what `runDataRef` is told of the setting; nothing where nothing is known of it."""
    seconds = without_bias = None
    if name == "dark":
        seconds = median(float(known.records["exposure"].exposure_time or 0.0) for _, known in members)
        without_bias = bool(parsedCmd.config.doBias)
    words = setup_words(setup, seconds=seconds, without_bias=without_bias)
    return ({"setup": words} if words else {}) | ({"apart": True} if apart else {})


def _in_runs_of_their_own(targets: list[Any]) -> list[Any]:
    """Give masters of one data ID a RUN each, below the job's: one RUN holds one dataset of a data ID."""
    seen: dict[Any, list[int]] = defaultdict(list)
    for index, (ref, _) in enumerate(targets):
        seen[tuple(sorted(ref.data_id.items()))].append(index)
    moved = list(targets)
    for indices in seen.values():
        taken: set[str] = set()
        for index in indices if len(indices) > 1 else ():
            ref, kwargs = targets[index]
            label = setup_label(kwargs.get("setup", ""))
            while label in taken:
                label += "-"
            taken.add(label)
            moved[index] = (ref.replaced(run=f"{ref.run}/{label}"), kwargs)
    return moved


def _grouped(
    refs: Iterable[DataRef], butler: Any, observation_type: str, dimensions: tuple[str, ...]
) -> dict[Key, list[Member]]:
    """Return the frames of one observation type, each with its exposure's records, by the master's data ID."""
    groups: dict[Key, list[Member]] = defaultdict(list)
    listed = list(refs)
    exposures = expanded_exposures(butler, [(ref.data_id["instrument"], ref.data_id["exposure"]) for ref in listed])
    for ref in listed:
        known = exposures[ref.data_id["instrument"], ref.data_id["exposure"]]
        if known.records["exposure"].observation_type != observation_type:
            continue
        values: Mapping[str, Any] = {**dict(ref.data_id), "physical_filter": known["physical_filter"]}
        groups[tuple(values[name] for name in dimensions)].append((ref, known))
    return groups


def _kwargs(members: Sequence[Member], parsedCmd: argparse.Namespace) -> dict[str, Any]:
    """Return what `runDataRef` takes besides the reference."""
    return {
        "exposures": sorted({int(ref.data_id["exposure"]) for ref, _ in members}),
        "validity": parsedCmd.validity or _observing_days(members),
        "replace": bool(parsedCmd.replace),
    }


def _observing_days(members: Sequence[Member]) -> str:
    """Return the time from the first noon to the last noon of the frames' observing days."""
    days = []
    for ref, known in members:
        day = known.records["day_obs"]
        if day.timespan is None:
            raise UsageError(
                f"The repository does not say when observing day {day.id} of {ref} begins and ends. Give --validity "
                "BEGIN..END.",
                day_obs=day.id,
            )
        days.append(day.timespan)
    return validity_text(days_covered(days))


def _agree(wanted: Mapping[str, Any], data_id: Mapping[str, Any]) -> bool:
    return all(data_id.get(key, value) == value for key, value in wanted.items())


def _refuse_unmade(
    wanted: list[dict[str, Any]], made: list[dict[str, Any]], name: str, parsedCmd: argparse.Namespace
) -> None:
    """Refuse a data ID that ``--id`` names and no input serves."""
    for one in wanted:
        if not any(_agree(one, data_id) for data_id in made) and not parsedCmd.allowEmpty:
            raise UsageError(
                f"--id names a {name} of {human_data_id(one)}, and no {parsedCmd.config.observationType} frame of "
                "--inputId is for it. Name its frames with --inputId, or leave it out.",
                data_id=one,
            )
