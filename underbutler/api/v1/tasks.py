"""``/v1/tasks``: what can be submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from underbutler.api.asking import Asking
from underbutler.catalog.remote.errors import outward
from underbutler.pipe import known_tasks, load_task

from .config_schema import config_schema

if TYPE_CHECKING:
    from underbutler.pipe import CmdLineTask

__all__ = ["routes"]

routes = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@routes.get("", summary="Tasks that can be submitted.")
def list_tasks(who: Asking) -> dict[str, Any]:
    """List tasks by name; of one that does not load, why."""
    who.need("read")
    return {
        "tasks": [
            {
                "name": entry.name,
                "doc": "" if entry.task_class is None else _doc(entry.task_class).partition("\n")[0],
                "dataset_types": [] if entry.task_class is None else sorted(entry.task_class.datasetTypes),
                "distribution": entry.distribution,
                "error": outward(entry.error),
            }
            for entry in known_tasks()
        ]
    }


@routes.get("/{name}", summary="A task: what it does, what it writes, and how it is configured.")
def show_task(who: Asking, name: str) -> dict[str, Any]:
    """Return all that a form for a task needs; `config` is JSON Schema."""
    who.need("read")
    task_class = load_task(name)
    return {
        "name": name,
        "doc": _doc(task_class),
        "dataset_types": {
            kind: {
                "dimensions": list(spec.dimensions),
                "storage_class": spec.storageClass,
                "large": spec.large,
                "is_calibration": spec.isCalibration,
            }
            for kind, spec in task_class.datasetTypes.items()
        },
        "config": config_schema(task_class.ConfigClass),
    }


def _doc(task_class: type[CmdLineTask]) -> str:
    import inspect

    return inspect.cleandoc(task_class.__doc__ or "")
