"""Jobs as runs of the catalogue: what is recorded of a job becomes documents.

One job is one run, whose uid is the job's id; one target is one event, whose uid is the target's id. A target that is
done is an event of the stream ``primary``, or of its step's own if the job has several; one that ended otherwise of
``problems``.
"""

from __future__ import annotations

import math
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from underbutler.catalog.database.recorder import Added, add_events, begin_run, end_run
from underbutler.catalog.handlers.specs import BUTLER, spec_of
from underbutler.model.job import TargetState
from underbutler.model.status import exit_status_of
from underbutler.records import Product
from underbutler.records.writing.recorder import ClosedJob, EndedTarget
from underbutler.redaction import redacted, redacted_text
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from underbutler.records import NewJob, NewStep

__all__ = ["PRIMARY", "PROBLEMS", "JobRecorder"]

log = get_logger(__name__)

PRIMARY: Final = "primary"
"""Stream of targets that are done, in a job of one step."""
PROBLEMS: Final = "problems"
"""Stream of targets that failed, were held or aborted, or had nothing to do."""
MAX_DATASETS: Final = 100_000
"""A stop document names no more datasets than this; `Broker.run_of` knows them all."""
MAX_VALUES: Final = 10_000
"""A start document lists no more values of one data ID dimension than this."""

_UNITS: Final = {"px": "pixel", "e": "electron", "adu": "adu", "s": "s", "arcsec": "arcsec", "mag": "mag"}
"""A number of a task's metadata whose name ends so becomes a field that has a unit: ``fwhm_px`` is ``fwhm``."""
_NUMERIC: Final = ("number", "integer")
_SEPARATORS: Final = re.compile(r"[./]")
_Field = tuple[dict[str, Any], Any]
"""Data key and value of a field."""


class JobRecorder:
    """Writes the runs of jobs, inside the transactions of the records."""

    def begun(self, connection: Connection, new: NewJob, scan_id: int, created_at: float) -> None:
        """Write the start document of a job's run."""
        targets = new.targets
        start = {
            "uid": str(new.id),
            "time": created_at,
            "scan_id": scan_id,
            "plan_name": new.task,
            "task": new.task,
            "label": new.repo,
            "out": new.out,
            "run": new.run,
            "collections": list(new.collections),
            "owner": new.user,
            "versions": dict(new.versions),
            "num_points": len(targets),
            "data_id": _values_of(target.data_id for target in targets),
            **_described(new.steps),
        }
        if new.parent_id is not None:
            start["parent"] = str(new.parent_id)
        begin_run(connection, redacted(start))

    def ended(self, connection: Connection, targets: Sequence[EndedTarget]) -> None:
        """Write an event for each target."""
        groups: dict[tuple[str, str], tuple[EndedTarget, dict[str, Any], list[Added]]] = {}
        for target in targets:
            stream, fields, added = _done(target) if target.state is TargetState.DONE else _not_done(target)
            keys = {name: data_key for name, (data_key, _) in fields.items()}
            groups.setdefault((stream, repr(keys)), (target, keys, []))[2].append(added)
        for (stream, _), (target, keys, events) in groups.items():
            self._add(connection, target, stream, keys, events)

    def closed(self, connection: Connection, job: ClosedJob) -> None:
        """Write the stop document of a job's run."""
        counts = {state.value: number for state, number in sorted(job.counts.items())}
        kinds = Counter(kind for kind, _ in job.datasets)
        stop = {
            "uid": str(uuid.uuid5(job.id, "stop")),
            "run_start": str(job.id),
            "time": job.at,
            "exit_status": exit_status_of(job.phase),
            "reason": _in_words(job.counts),
            "counts": counts,
            "dataset_counts": dict(sorted(kinds.items())),
        }
        if len(job.datasets) <= MAX_DATASETS:
            stop["datasets"] = [str(dataset) for _, dataset in job.datasets]
        if not end_run(connection, stop):
            log.info("run_not_in_catalogue", job=str(job.id))

    def _add(
        self,
        connection: Connection,
        target: EndedTarget,
        stream: str,
        keys: Mapping[str, Mapping[str, Any]],
        events: Sequence[Added],
    ) -> None:
        described: dict[str, Any] = {
            "object_keys": {target.task: list(keys)},
            "configuration": {},
            "hints": {target.task: {"fields": [key for key, of in keys.items() if _is_shown(of)]}},
        }
        run = str(target.job)
        streams = [stream] if stream == PROBLEMS else [stream, *_streams_of_other_shapes(stream, target, keys)]
        if not any(add_events(connection, run, one, keys, events, described=described) for one in streams):
            log.warning("run_not_in_catalogue", job=run, events=len(events))


def _is_shown(data_key: Mapping[str, Any]) -> bool:
    """Tell whether a field is one that plots show by themselves."""
    return data_key["source"] == _METADATA and data_key["dtype"] in _NUMERIC


_DATA_ID: Final = "data ID"
_METADATA: Final = "task metadata"
_RECORDS: Final = "records"


def _done(target: EndedTarget) -> tuple[str, dict[str, _Field], Added]:
    """Return stream, fields and event of a target that is done."""
    fields = _identity(target)
    _put(fields, "seconds", _number(_RECORDS) | {"units": "s"}, _finite(target.seconds))
    for name, value in sorted((target.scalars or {}).items()):
        data_key, plain = _scalar(value)
        quantity, _, unit = name.rpartition("_")
        if unit in _UNITS and data_key["dtype"] in _NUMERIC and quantity not in {*fields, ""}:
            _put(fields, quantity, data_key | {"units": _UNITS[unit]}, plain)
        else:
            _put(fields, name, data_key, plain)
    resources, datums = [], []
    for product in target.products:
        if product.url is None:
            continue
        resource = _resource(product, target.out)
        datum = {"datum_id": f"{resource['uid']}/0", "resource": resource["uid"], "datum_kwargs": {}}
        _put(fields, product.dataset_type, _external(product), datum["datum_id"])
        resources.append(resource)
        datums.append(datum)
    return target.label or PRIMARY, fields, _added(target, fields, resources, datums)


def _not_done(target: EndedTarget) -> tuple[str, dict[str, _Field], Added]:
    """Return stream, fields and event of a target that ended otherwise."""
    fields = _identity(target)
    words = {
        "exit_status": target.state.value,
        "error_type": target.error_type or "",
        "reason": redacted_text(target.reason or ""),
    }
    for name, value in words.items():
        _put(fields, name, _text(_RECORDS), value)
    return PROBLEMS, fields, _added(target, fields)


def _identity(target: EndedTarget) -> dict[str, _Field]:
    fields: dict[str, _Field] = {}
    _put(fields, "target", _integer(_RECORDS), target.ordinal)
    for dimension, value in sorted(target.data_id.items()):
        _put(fields, dimension, *_scalar(value, _DATA_ID))
    return fields


def _put(fields: dict[str, _Field], name: str, data_key: dict[str, Any], value: Any) -> None:
    """Add a field; of two that have one name the later is called by its source too."""
    name = _SEPARATORS.sub("_", name) or "_"
    if name in fields:
        name = f"{data_key['source'].replace(' ', '_')}_{name}"
    number = 2
    free = name
    while free in fields:
        free, number = f"{name}_{number}", number + 1
    fields[free] = (data_key, value)


def _added(
    target: EndedTarget,
    fields: Mapping[str, _Field],
    resources: Sequence[Mapping[str, Any]] = (),
    datums: Sequence[Mapping[str, Any]] = (),
) -> Added:
    return Added(
        uid=str(target.id),
        time=target.at,
        data={name: value for name, (_, value) in fields.items()},
        resources=resources,
        datums=datums,
        datasets=[(str(product.dataset_id), product.dataset_type) for product in target.products],
    )


def _scalar(value: Any, source: str = _METADATA) -> _Field:
    """Return data key and value of a number or text; a number that was not finite comes back from records as None."""
    if isinstance(value, bool):
        return {"source": source, "dtype": "boolean", "dtype_numpy": "|b1", "shape": []}, value
    if isinstance(value, int):
        return _integer(source), value
    if isinstance(value, str):
        return _text(source), redacted_text(value)
    return _number(source), _finite(value)


def _integer(source: str) -> dict[str, Any]:
    return {"source": source, "dtype": "integer", "dtype_numpy": "<i8", "shape": []}


def _number(source: str) -> dict[str, Any]:
    return {"source": source, "dtype": "number", "dtype_numpy": "<f8", "shape": []}


def _text(source: str) -> dict[str, Any]:
    return {"source": source, "dtype": "string", "shape": []}


def _finite(value: Any) -> float:
    return math.nan if value is None else float(value)


def _resource(product: Product, repository: str) -> dict[str, Any]:
    """Return the resource of a delivered product, without its run: its uid is the dataset's."""
    uid = str(product.dataset_id)
    spec = spec_of(str(product.url))
    if spec is None:  # no handler reads such files from the annex: the Butler does
        path, facts = f"butler://{repository}/{uid}", dict[str, Any]()
    else:
        path = str(product.url)
        facts = {"dataset": uid, "size": product.byte_size, "sha256": product.sha256, "etag": product.etag}
    return {
        "uid": uid,
        "spec": spec or BUTLER,
        "root": "",
        "resource_path": path,
        "resource_kwargs": {name: value for name, value in facts.items() if value is not None},
        "path_semantics": "posix",
    }


def _external(product: Product) -> dict[str, Any]:
    data_key: dict[str, Any] = {"source": "annex", "dtype": "array", "shape": [], "external": "ANNEX:"}
    if product.layout is not None:
        data_key |= {"shape": list(product.layout.shape), "dtype_numpy": product.layout.dtype}
        if product.layout.dims:
            data_key["dims"] = list(product.layout.dims)
    return data_key


def _streams_of_other_shapes(
    stream: str, target: EndedTarget, keys: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str]:
    """Return the streams of targets whose images have other shapes: their detector's, and that of these very shapes."""
    names = [str(target.data_id[name]) for name in ("instrument", "detector") if name in target.data_id]
    stream = "_".join([stream, *(names or ["other"])])
    shapes = ["x".join(map(str, of["shape"])) for of in keys.values() if of.get("external") and of["shape"]]
    return stream, "_".join([stream, *shapes])


def _described(steps: Sequence[NewStep]) -> dict[str, Any]:
    """Return what a start document says of the only step, or of each of several."""
    said = [
        {"config_digest": step.config_digest, "overrides": list(step.overrides), "options": dict(step.options)}
        for step in steps
    ]
    if len(steps) == 1:
        return said[0]
    named = ({"label": step.label, "task": step.task, "num_points": len(step.targets)} for step in steps)
    return {"steps": [name | of for name, of in zip(named, said, strict=True)]}


def _values_of(data_ids: Iterable[Mapping[str, int | str]]) -> dict[str, Any]:
    """Return the values of each dimension, in order; one that is the same everywhere stands alone."""
    values: dict[str, dict[int | str, None]] = {}
    for data_id in data_ids:
        for dimension, value in data_id.items():
            of = values.setdefault(dimension, {})
            if len(of) < MAX_VALUES:
                of[value] = None
    return {name: next(iter(of)) if len(of) == 1 else list(of) for name, of in sorted(values.items())}


def _in_words(counts: Mapping[TargetState, int]) -> str:
    return ", ".join(f"{number} {state.value}" for state, number in sorted(counts.items())) or "no targets"
