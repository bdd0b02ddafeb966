"""Entry points of every installed distribution, ours among them: names without imports, and subtasks by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from traceback import walk_tb
from typing import Any

from underbutler.errors import UnknownNameError, UsageError

from .import_faults import told_of_import

__all__ = [
    "SUBTASK_GROUP",
    "TASK_GROUP",
    "load_points",
    "load_subtask",
    "points_of",
    "task_names",
    "was_raised_in_a_task",
]

TASK_GROUP = "underbutler.tasks"
SUBTASK_GROUP = "underbutler.subtasks"


def task_names() -> list[str]:
    """Return the names of all registered tasks, sorted, without importing them."""
    return sorted(points_of(TASK_GROUP))


def load_subtask(name: str) -> Any:
    """Import what a subtask's config field may be retargeted to, by its name in ``underbutler.subtasks``.

    Raises
    ------
    UnknownNameError
        If no subtask has this name.
    UsageError
        If it does not load, or two distributions register the name.
    """
    points = points_of(SUBTASK_GROUP)
    if name not in points:
        raise UnknownNameError.of(
            "subtask", name, points, f"Subtasks are registered as entry points of the group {SUBTASK_GROUP!r}."
        )
    target, error = load_points(points[name])
    if error is not None:
        raise UsageError(f"The subtask {name!r} does not load: {error}", subtask=name)
    return target


def points_of(group: str) -> dict[str, list[EntryPoint]]:
    """Return the different entry points of each name: an editable install may list the same one twice."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: list(points.values()) for name, points in found.items()}


def load_points(points: list[EntryPoint]) -> tuple[Any, str | None]:
    """Return what the one entry point of a name loads, or None and why it does not load: a sentence, perhaps frames."""
    if len(points) > 1:
        where = " and ".join(f"{point.value} ({point.dist.name if point.dist else '?'})" for point in points)
        return None, f"the name is registered for {where}. Uninstall one of them."
    (point,) = points
    try:
        return point.load(), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything; it is told
        return None, told_of_import(error, point)


def was_raised_in_a_task(error: BaseException) -> bool:
    """Tell whether an error passed through the code of a registered task: then it is its author's to see."""
    packages = {point.module.partition(".")[0] for points in points_of(TASK_GROUP).values() for point in points}
    frames = walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__")).partition(".")[0] in packages for frame, _ in frames)
