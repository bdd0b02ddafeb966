"""``underbutler tasks``: what can be done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from underbutler.terminal import stdout_console

from .main import json_option
from .session import answer_json

if TYPE_CHECKING:
    from underbutler.pipe import TaskEntry

__all__ = ["tasks"]


@click.command(short_help="List tasks and the dataset types they write.")
@json_option()
def tasks(form: str) -> None:
    """List the tasks that can be submitted: name, one line, dataset types that they write.

    Tasks of any installed package are found by its entry points in the group "underbutler.tasks". Of one that does not
    load the error is shown whole, with its cure.

    \b
    Examples:
      underbutler tasks
      underbutler tasks --format json
    """
    from underbutler.pipe import known_tasks

    entries = sorted(known_tasks(), key=lambda entry: entry.name)
    if form == "json":
        answer_json([_task_json(entry) for entry in entries])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("task", "what it does", "writes"):
        table.add_column(heading)
    for entry in entries:
        if entry.task_class is None:
            table.add_row(entry.name, Text("does not load", style="red"), entry.entry_point.value)
        else:
            table.add_row(entry.name, Text(_one_line(entry.task_class)), ", ".join(entry.task_class.datasetTypes))
    console = stdout_console()
    console.print(table)
    for entry in entries:
        if entry.error is not None:
            console.print(Text(f"\n{entry.name} does not load: {entry.error}", style="red"), soft_wrap=True)


def _task_json(entry: TaskEntry) -> dict[str, Any]:
    if entry.task_class is None:
        return {"name": entry.name, "entry_point": entry.entry_point.value, "error": entry.error}
    types = {
        name: {
            "dimensions": list(spec.dimensions),
            "storage_class": spec.storageClass,
            "large": spec.large,
            "is_calibration": spec.isCalibration,
        }
        for name, spec in entry.task_class.datasetTypes.items()
    }
    return {
        "name": entry.name,
        "entry_point": entry.entry_point.value,
        "doc": _one_line(entry.task_class),
        "dataset_types": types,
    }


def _one_line(task_class: type) -> str:
    return (task_class.__doc__ or "").strip().split("\n", 1)[0]
