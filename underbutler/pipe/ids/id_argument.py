"""What a task says of one of its id arguments, and of its parser as far as a request is concerned."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .dynamic_types import DynamicDatasetType
from .id_container import DataIdContainer

__all__ = ["IdArgument", "TaskParser"]


@dataclass(frozen=True, slots=True)
class IdArgument:
    """An option that takes data IDs.

    Parameters
    ----------
    option
        Its name on the command line, e.g. ``--id``.
    dataset_type
        Whose data IDs they are.
    level
        Dimension at which references are made; None takes all of the dataset type's.
    with_references
        Whether references are made: then what is named must exist.
    container_class
        What holds data IDs and references.
    required
        Whether data must be named.
    """

    option: str
    dataset_type: str | DynamicDatasetType | None
    level: str | None
    with_references: bool
    container_class: type[DataIdContainer]
    required: bool

    def container(self, command: argparse.Namespace) -> DataIdContainer:
        """Return an empty container, with the dataset type that a command (its config and options) gives it.

        Raises
        ------
        UsageError
            If the dataset type is that of a config field that names none.
        """
        made = self.container_class(level=self.level)
        made.option = self.option
        kind = self.dataset_type
        if kind is not None:
            made.setDatasetType(kind.getDatasetType(command) if isinstance(kind, DynamicDatasetType) else kind)
        return made


class TaskParser(Protocol):
    """Of a task's `ArgumentParser`, what a request is checked against."""

    prog: str

    @property
    def name(self) -> str:
        """Name of the task."""
        ...

    @property
    def id_arguments(self) -> Mapping[str, IdArgument]:
        """The id arguments by name."""
        ...

    @property
    def own_arguments(self) -> Mapping[str, argparse.Action]:
        """The task's own options by name."""
        ...

    def get_default(self, dest: str) -> Any:
        """Return the default of an option."""
        ...
