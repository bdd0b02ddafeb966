"""Metadata that a Gen2 task may write to in its own spelling: ``self.metadata.set("x", 1)``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsst.pipe.base import Task, TaskMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Gen2Metadata", "speak_gen2"]


class Gen2Metadata(TaskMetadata):
    """Today's metadata with the methods of Gen2's that it lacks. It is stored and read back as `TaskMetadata`."""

    def set(self, name: str, value: Any) -> None:
        """Set an item, replacing what it held."""
        self[name] = value

    def exists(self, name: str) -> bool:
        """Tell whether there is an item of this name."""
        return name in self

    def remove(self, name: str) -> None:
        """Remove an item if there is one."""
        if name in self:
            del self[name]


def speak_gen2(tasks: Mapping[str, Any]) -> None:
    """Give each of these tasks (weak references by name) metadata that speaks Gen2, with what it holds already."""
    for reference in tasks.values():
        task: Task | None = reference()
        if task is not None and not isinstance(task.metadata, Gen2Metadata):
            held = task.metadata
            task.metadata = Gen2Metadata(scalars=held.scalars, arrays=held.arrays, metadata=held.metadata)
