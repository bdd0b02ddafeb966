"""Which masters a command makes, and from which exposures: the target list of the calibration tasks."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from tasks.validity import days_covered, parse_validity, validity_text
from underbutler import DataRef, TaskRunner
from underbutler.butlers.many_datasets import expanded_exposures
from underbutler.errors import UsageError
from underbutler.model.dataref import DataIdValue, human_data_id

__all__ = ["DIMENSIONS", "CalibRunner"]

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "bias": ("instrument", "detector"),
    "dark": ("instrument", "detector"),
    "flat": ("instrument", "detector", "physical_filter"),
}
"""What a master is made for, by its dataset type."""

Key: TypeAlias = tuple[DataIdValue, ...]


class CalibRunner(TaskRunner):
    """Groups input exposures by the data ID of the master: instrument and detector, and for a flat the filter."""

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
        targets = []
        for key, members in sorted(groups.items()):
            data_id = dict(zip(dimensions, key, strict=True))
            if wanted and not any(_agree(one, data_id) for one in wanted):
                continue
            ref = members[0][0].replaced(data_id=data_id, dataset_type=name)
            targets.append((ref, _kwargs(members, parsedCmd) | kwargs))
        return targets


def _grouped(
    refs: Iterable[DataRef], butler: Any, observation_type: str, dimensions: tuple[str, ...]
) -> dict[Key, list[tuple[DataRef, Any]]]:
    """Return the frames of one observation type, each with its exposure's records, by the master's data ID."""
    groups: dict[Key, list[tuple[DataRef, Any]]] = defaultdict(list)
    listed = list(refs)
    exposures = expanded_exposures(butler, [(ref.data_id["instrument"], ref.data_id["exposure"]) for ref in listed])
    for ref in listed:
        known = exposures[ref.data_id["instrument"], ref.data_id["exposure"]]
        if known.records["exposure"].observation_type != observation_type:
            continue
        values: Mapping[str, Any] = {**dict(ref.data_id), "physical_filter": known["physical_filter"]}
        groups[tuple(values[name] for name in dimensions)].append((ref, known))
    return groups


def _kwargs(members: list[tuple[DataRef, Any]], parsedCmd: argparse.Namespace) -> dict[str, Any]:
    """Return what `runDataRef` takes besides the reference."""
    return {
        "exposures": sorted({int(ref.data_id["exposure"]) for ref, _ in members}),
        "validity": parsedCmd.validity or _observing_days(members),
        "replace": bool(parsedCmd.replace),
    }


def _observing_days(members: list[tuple[DataRef, Any]]) -> str:
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
