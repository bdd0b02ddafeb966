"""Two runs compared: configuration, versions, targets, and the numbers of targets that both have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from underbutler.model.dataref import human_data_id
from underbutler.pipe.config.job_config import ABSENT, differences
from underbutler.recording import PROBLEMS

if TYPE_CHECKING:
    from underbutler.catalog import BlueskyEventStream, BlueskyRun

__all__ = ["Change", "NumberChange", "RunComparison", "TargetChange", "compare_runs"]

_DATA_ID: Final = "data ID"
_NOT_MEASURED: Final = ("target",)
"""Numbers of the records that say nothing of a target's results."""

DataIdItems = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What has one value in run A and another in run B; None where it is absent."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True)
class TargetChange:
    """A target that ended otherwise in B than in A; None where there is none of this data ID."""

    target: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberChange:
    """A number of the targets that both runs have: how it is in B, compared with A.

    Parameters
    ----------
    name, units
        The field, and its unit.
    targets
        Targets in which it is finite in both.
    higher, lower, same
        In how many of them it is higher in B, lower in B, or the same.
    median_a, median_b
        Medians of these targets.
    median_change
        Median of B - A.
    median_relative
        Median of (B - A) / |A|, of the targets where A is not 0; None if it is 0 in all.
    largest_change, largest_at
        B - A where it is largest in magnitude, and the target.
    only_one
        Targets in which it is finite in one of them alone.
    """

    name: str
    units: str
    targets: int
    higher: int
    lower: int
    same: int
    median_a: float
    median_b: float
    median_change: float
    median_relative: float | None
    largest_change: float
    largest_at: str
    only_one: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """How run B differs from run A.

    Parameters
    ----------
    a, b
        Uids.
    facts
        Of the start documents: task, repository, collections and the like.
    configuration
        Paths of config fields, and the task's options.
    configuration_is_whole
        Whether the effective configuration was compared, or only the overrides.
    versions
        Packages that both name in another version, or one alone names.
    targets
        Targets that ended otherwise, or are in one alone.
    in_both
        Targets that are done in both.
    numbers
        Every number that they measured, also those that are the same everywhere.
    """

    a: str
    b: str
    facts: Sequence[Change]
    configuration: Sequence[Change]
    configuration_is_whole: bool
    versions: Sequence[Change]
    targets: Sequence[TargetChange]
    in_both: int
    numbers: Sequence[NumberChange]

    @property
    def is_same(self) -> bool:
        """Whether nothing but how long it took differs."""
        measured = [one for one in self.numbers if one.name != "seconds"]
        moved = any(one.higher or one.lower or one.only_one for one in measured)
        return not (self.facts or self.configuration or self.versions or self.targets or moved)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"same": self.is_same, **asdict(self)}


def compare_runs(
    a: BlueskyRun,
    b: BlueskyRun,
    *,
    chosen: Mapping[str, str] | None = None,
    config_of: Callable[[str], Mapping[str, Any] | None] = lambda uid: None,  # noqa: ARG005 - named as it is called
) -> RunComparison:
    """Compare run B with run A.

    Parameters
    ----------
    a, b
        The runs.
    chosen
        Only targets whose data ID has these values, as texts.
    config_of
        Returns the effective configuration of a run by its uid, or None if it is not known.
    """
    configs = [config_of(run.uid) for run in (a, b)]
    is_whole = all(config is not None for config in configs)
    if not is_whole:
        configs = [_overrides(run.start) for run in (a, b)]
    first, second = (_Targets(run, chosen or {}) for run in (a, b))
    return RunComparison(
        a=a.uid,
        b=b.uid,
        facts=_changes(*(_facts(run.start) for run in (a, b))),
        configuration=[Change(*one) for one in _absent_as_none(differences(configs[0] or {}, configs[1] or {}))],
        configuration_is_whole=is_whole,
        versions=_changes(a.start.get("versions") or {}, b.start.get("versions") or {}),
        targets=list(_targets(first, second)),
        in_both=len(first.numbers.keys() & second.numbers.keys()),
        numbers=list(_numbers(first, second)),
    )


class _Targets:
    """The targets of a run by data ID: how each ended, and its numbers."""

    def __init__(self, run: BlueskyRun, chosen: Mapping[str, str]) -> None:
        self.numbers: dict[DataIdItems, dict[str, float]] = {}
        self.states: dict[DataIdItems, str] = {}
        self.units: dict[str, str] = {}
        self._chosen = chosen
        for name, stream in run.items():
            if name == PROBLEMS:
                self._take_problems(stream)
            else:
                self._take(stream, f"{name}." if run.start.get("steps") else "")

    def _take(self, stream: BlueskyEventStream, prefix: str) -> None:
        keys = _keys(stream)
        names = [
            key for key, of in keys.items()
            if of.get("dtype") in ("number", "integer") and not of.get("external") and not of.get("shape")
            and of.get("source") != _DATA_ID and key not in _NOT_MEASURED
        ]  # fmt: skip
        for target, row in self._rows(stream, keys, names):
            known = self.numbers.setdefault(target, {})
            known |= {f"{prefix}{key}": float(row[key]) for key in names}
            self.states[target] = "done"
        self.units |= {f"{prefix}{key}": str(keys[key].get("units") or "") for key in names}

    def _take_problems(self, stream: BlueskyEventStream) -> None:
        keys = _keys(stream)
        for target, row in self._rows(stream, keys, [name for name in ("exit_status", "error_type") if name in keys]):
            words = [str(row[name]) for name in ("exit_status", "error_type") if row.get(name)]
            self.states[target] = ": ".join(words)

    def _rows(
        self, stream: BlueskyEventStream, keys: Mapping[str, Any], names: Sequence[str]
    ) -> Iterator[tuple[DataIdItems, dict[str, Any]]]:
        if stream.event_count() == 0:
            return
        dimensions = [key for key, of in keys.items() if of.get("source") == _DATA_ID]
        wanted = sorted({*dimensions, *names})
        if not wanted:
            return
        data = stream.configure_new(include=wanted).read()
        columns = {name: data[name].values.tolist() for name in wanted}
        seen: dict[DataIdItems, int] = {}
        for index in range(len(next(iter(columns.values())))):
            identity = {name: columns[name][index] for name in dimensions} or {"event": index + 1}
            if any(str(identity.get(key)) != value for key, value in self._chosen.items()):
                continue
            target = tuple(sorted(identity.items()))
            seen[target] = seen.get(target, 0) + 1
            if seen[target] > 1:  # lists of references that share a data ID are told apart by their order
                target = (*target, ("number", seen[target]))
            yield target, {name: columns[name][index] for name in names}


def _targets(first: _Targets, second: _Targets) -> Iterator[TargetChange]:
    for target in dict.fromkeys([*first.states, *second.states]):
        a, b = first.states.get(target), second.states.get(target)
        if a != b:
            yield TargetChange(human_data_id(dict(target)), a, b)


def _numbers(first: _Targets, second: _Targets) -> Iterator[NumberChange]:
    units = first.units | second.units
    shared = [target for target in first.numbers if target in second.numbers]
    for name in sorted(units, key=lambda name: (name == "seconds", name)):
        pairs = [
            (target, first.numbers[target].get(name, math.nan), second.numbers[target].get(name, math.nan))
            for target in shared
        ]
        finite = [one for one in pairs if math.isfinite(one[1]) and math.isfinite(one[2])]
        only_one = sum(math.isfinite(a) != math.isfinite(b) for _, a, b in pairs)
        if finite or only_one:
            yield _number(name, units[name], finite, only_one)


def _number(name: str, units: str, pairs: list[tuple[DataIdItems, float, float]], only_one: int) -> NumberChange:
    import statistics

    changes = [b - a for _, a, b in pairs]
    relative = [(b - a) / abs(a) for _, a, b in pairs if a]
    at, largest = max(((pair[0], change) for pair, change in zip(pairs, changes, strict=True)),
                      key=lambda one: abs(one[1]), default=((), math.nan))  # fmt: skip

    def median(values: list[float]) -> float:
        return statistics.median(values) if values else math.nan

    return NumberChange(
        name=name,
        units=units,
        targets=len(pairs),
        higher=sum(change > 0 for change in changes),
        lower=sum(change < 0 for change in changes),
        same=sum(change == 0 for change in changes),
        median_a=median([a for _, a, _ in pairs]),
        median_b=median([b for _, _, b in pairs]),
        median_change=median(changes),
        median_relative=median(relative) if relative else None,
        largest_change=largest,
        largest_at=human_data_id(dict(at)) if largest else "",
        only_one=only_one,
    )


def _keys(stream: BlueskyEventStream) -> dict[str, Mapping[str, Any]]:
    keys: dict[str, Mapping[str, Any]] = {}
    for descriptor in stream.descriptors:
        keys = {**descriptor["data_keys"], **keys}
    return keys


def _facts(start: Mapping[str, Any]) -> dict[str, Any]:
    names = ("task", "plan_name", "label", "out", "collections", "owner")
    return {name: start[name] for name in names if name in start}


def _overrides(start: Mapping[str, Any]) -> dict[str, Any]:
    """Return overrides and options of a start document, by path: of several steps below their names."""
    steps = start.get("steps") or [start]
    return {
        f"{step['label']}:{path}" if len(steps) > 1 else str(path): value
        for step in steps
        for path, value in [*step.get("overrides", ()), *(step.get("options") or {}).items()]
    }


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    return [Change(name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)]


def _absent_as_none(found: Sequence[tuple[str, Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    return ((path, None if a is ABSENT else a, None if b is ABSENT else b) for path, a, b in found)
