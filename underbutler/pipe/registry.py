"""Which tasks exist: entry points of every installed distribution, ours among them.

A task of another package is found without touching ours: it has an entry point in the group ``underbutler.tasks``. One
that fails to import is told of, with the reason, and keeps nobody else from working.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

from underbutler.errors import UnknownNameError, UsageError

from .cmdline_task import CmdLineTask
from .plugins import TASK_GROUP, load_points, points_of

__all__ = ["TaskEntry", "known_tasks", "load_task"]


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


def known_tasks() -> list[TaskEntry]:
    """Import every registered task and return them by name; one that fails has its `error` set."""
    return [_entry(name, points) for name, points in sorted(points_of(TASK_GROUP).items())]


def load_task(name: str) -> type[CmdLineTask]:
    """Import a task by its registered name.

    Raises
    ------
    UnknownNameError
        If no task has this name.
    UsageError
        If it is registered and does not load, or two distributions register the name.
    """
    points = points_of(TASK_GROUP)
    if name not in points:
        raise UnknownNameError.of("task", name, points)
    entry = _entry(name, points[name])
    if entry.task_class is None:
        raise UsageError(f"The task {name!r} does not load: {entry.error}", task=name, entry=entry.entry_point.value)
    return entry.task_class


def _entry(name: str, points: list[EntryPoint]) -> TaskEntry:
    target, error = load_points(points)
    if error is None:
        error = _fault(points[0], target)
    return TaskEntry(name, points[0], error, None if error else target)


def _fault(point: EntryPoint, target: object) -> str | None:
    if not (isinstance(target, type) and issubclass(target, CmdLineTask)):
        return f"{point.value} is not a subclass of underbutler.CmdLineTask."
    for attribute in ("ConfigClass", "_DefaultName"):
        if not hasattr(target, attribute):
            return f"{point.value} has no {attribute}."
    return None
