"""What the rooms below `CmdLineTask` need of a task's class. `CmdLineTask` has all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import argparse

    from .datasets import DatasetSpec
    from .findings import Look

__all__ = ["TaskLike"]


class TaskLike(Protocol):
    """A task that has a config, a parser and a runner; its members are described in `CmdLineTask`."""

    ConfigClass: ClassVar[Any]
    RunnerClass: ClassVar[Any]
    _DefaultName: ClassVar[str]
    datasetTypes: ClassVar[Mapping[str, DatasetSpec]]
    timeLimit: ClassVar[float | None]
    canMultiprocess: ClassVar[bool]
    config: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    @classmethod
    def applyOverrides(cls, config: Any) -> None:
        """Change the defaults of the config."""

    @classmethod
    def _makeArgumentParser(cls) -> Any: ...

    @classmethod
    def lookBefore(cls, targets: Sequence[Any], parsedCmd: argparse.Namespace) -> Look:
        """Say what targets lack, before anything is written."""
        ...

    def getAllSchemaCatalogs(self) -> dict[str, Any]:
        """Return the schema catalogues of the task and its subtasks."""
        ...

    def _getConfigName(self) -> str | None: ...

    def _getMetadataName(self) -> str | None: ...

    def _getPackagesName(self) -> str: ...
