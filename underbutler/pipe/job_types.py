"""The dataset types of a job: what its task declares, and what the frame of every task writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .datasets import DatasetSpec

if TYPE_CHECKING:
    from .task_like import TaskLike

__all__ = ["declared_types", "metadata_name", "record_types"]


def record_types(task: TaskLike, dimensions: tuple[str, ...] | None) -> dict[str, DatasetSpec]:
    """Return what is written beside the science: config, its JSON, package versions, schemas, metadata.

    Parameters
    ----------
    task
        The task, as `TaskRunner.precall` makes it.
    dimensions
        Dimensions of the task's data IDs, which are those of its metadata; None if it has no data IDs of one kind: its
        metadata is then written only if the task declares that dataset type.
    """
    types = {task._getPackagesName(): DatasetSpec((), "Packages")}
    config, metadata = task._getConfigName(), task._getMetadataName()
    if config is not None:
        types |= {config: DatasetSpec((), "Config"), f"{config}_json": DatasetSpec((), "StructuredDataDict")}
    if metadata is not None and dimensions is not None:
        types[metadata] = DatasetSpec(dimensions, "TaskMetadata")
    for dataset in task.getAllSchemaCatalogs():
        if dataset in task.datasetTypes:
            types[f"{dataset}_schema"] = DatasetSpec((), task.datasetTypes[dataset].storageClass)
    return types | dict(task.datasetTypes)


def declared_types(task_class: type[TaskLike], config: Any) -> Mapping[str, DatasetSpec | None]:
    """Return what a target of a task may put: what the task declares, and its metadata.

    Parameters
    ----------
    task_class
        The task.
    config
        Its effective config, of which the name of the metadata may depend.

    Returns
    -------
    types
        The value of the metadata is None unless the task declares it.
    """
    metadata = metadata_name(task_class, config)
    return {**({} if metadata is None else {metadata: None}), **task_class.datasetTypes}


def metadata_name(task_class: type[TaskLike], config: Any) -> str | None:
    """Return the dataset type of a task's metadata, or None if it writes none."""
    nameless = task_class.__new__(task_class)  # the name needs the class and the config, not a butler
    nameless.config = config
    name: str | None = nameless._getMetadataName()
    return name
