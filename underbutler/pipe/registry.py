"""Which tasks and subtasks exist: entry points of every installed distribution, ours among them.

A task of another package is found without touching ours: it has an entry point in the group ``underbutler.tasks``. One
that fails to import is told of, with the reason, and keeps nobody else from working.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from underbutler.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from .cmdline_task import CmdLineTask

__all__ = ["SUBTASK_GROUP", "TASK_GROUP", "TaskEntry", "known_tasks", "load_subtask", "load_task", "task_names"]

TASK_GROUP = "underbutler.tasks"
SUBTASK_GROUP = "underbutler.subtasks"


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A registered task, whether it loads or not.

    Parameters
    ----------
    name
        Name under which it is submitted.
    entry_point
        Where it is: ``module:Class``.
    error
        Why it does not load; None if it does.
    task_class
        The class; None if it does not load.
    """

    name: str
    entry_point: EntryPoint
    error: str | None = None
    task_class: type[CmdLineTask] | None = None

    @property
    def value(self) -> str:
        """Where it is, as text: ``module:Class``."""
        return self.entry_point.value

    @property
    def distribution(self) -> str:
        """Name and version of the distribution that registers it."""
        found = self.entry_point.dist
        return "unknown distribution" if found is None else f"{found.name} {found.version}"


def task_names() -> list[str]:
    """Return the names of all registered tasks, sorted, without importing them."""
    return sorted(_points(TASK_GROUP))


def known_tasks() -> list[TaskEntry]:
    """Import every registered task and return them by name; one that fails has its `error` set."""
    return [_entry(name, points) for name, points in sorted(_points(TASK_GROUP).items())]


def load_task(name: str) -> type[CmdLineTask]:
    """Import a task by its registered name.

    Raises
    ------
    UnknownNameError
        If no task has this name.
    UsageError
        If it is registered and does not load, or two distributions register the name.
    """
    points = _points(TASK_GROUP)
    if name not in points:
        raise UnknownNameError.of("task", name, points)
    entry = _entry(name, points[name])
    if entry.task_class is None:
        raise UsageError(f"The task {name!r} does not load: {entry.error}", task=name, entry=entry.entry_point.value)
    return entry.task_class


def load_subtask(name: str) -> Any:
    """Import what a subtask's config field may be retargeted to, by its name in ``underbutler.subtasks``.

    Raises
    ------
    UnknownNameError
        If no subtask has this name.
    UsageError
        If it does not load, or two distributions register the name.
    """
    points = _points(SUBTASK_GROUP)
    if name not in points:
        raise UnknownNameError.of(
            "subtask", name, points, f"Subtasks are registered as entry points of the group {SUBTASK_GROUP!r}."
        )
    target, error = _load(points[name])
    if error is not None:
        raise UsageError(f"The subtask {name!r} does not load: {error}", subtask=name)
    return target


def _points(group: str) -> dict[str, list[EntryPoint]]:
    """Return the different entry points of each name: an editable install may list the same one twice."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: list(points.values()) for name, points in found.items()}


def _entry(name: str, points: list[EntryPoint]) -> TaskEntry:
    target, error = _load(points)
    if error is None:
        error = _fault(points[0], target)
    return TaskEntry(name, points[0], error, None if error else target)


def _load(points: list[EntryPoint]) -> tuple[Any, str | None]:
    if len(points) > 1:
        where = " and ".join(f"{point.value} ({point.dist.name if point.dist else '?'})" for point in points)
        return None, f"the name is registered for {where}. Uninstall one of them."
    (point,) = points
    try:
        return point.load(), None
    except Exception as error:  # noqa: BLE001 - a stranger's module may raise anything; it is told, not hidden
        owner = point.dist.name if point.dist else "its distribution"
        return None, f"{point.value}: {type(error).__name__}: {error}. Install what {owner} needs."


def _fault(point: EntryPoint, target: object) -> str | None:
    from .cmdline_task import CmdLineTask

    if not (isinstance(target, type) and issubclass(target, CmdLineTask)):
        return f"{point.value} is no subclass of underbutler.CmdLineTask."
    for attribute in ("ConfigClass", "_DefaultName"):
        if not hasattr(target, attribute):
            return f"{point.value} has no {attribute}."
    return None
