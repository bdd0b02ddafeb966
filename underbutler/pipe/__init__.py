"""What a task author subclasses. No queue, no S3.

Names load at first use, so that importing this room costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from lsst.pipe.base import NoWorkFound as NoWorkFound
    from lsst.pipe.base import Struct as Struct
    from lsst.pipe.base import Task as Task
    from lsst.pipe.base import TaskError as TaskError

    from .cmdline_task import CmdLineTask as CmdLineTask
    from .config.job_config import config_digest as config_digest
    from .config.job_config import config_json as config_json
    from .config.job_config import effective_config as effective_config
    from .config.overrides import apply_overrides as apply_overrides
    from .datasets import DatasetSpec as DatasetSpec
    from .findings import Finding as Finding
    from .findings import Look as Look
    from .ids.dynamic_types import ConfigDatasetType as ConfigDatasetType
    from .ids.dynamic_types import DatasetArgument as DatasetArgument
    from .ids.id_container import DataIdContainer as DataIdContainer
    from .parsing.argument_parser import ArgumentParser as ArgumentParser
    from .parsing.show_option import show as show
    from .plugins import task_names as task_names
    from .registry import TaskEntry as TaskEntry
    from .registry import known_tasks as known_tasks
    from .registry import load_task as load_task
    from .task_runner import ButlerInitializedTaskRunner as ButlerInitializedTaskRunner
    from .task_runner import TaskRunner as TaskRunner
    from .versions import package_versions as package_versions
    from .worker_side import task_options as task_options
    from .worker_side import worker_command as worker_command

_HOME_OF = {
    "ArgumentParser": ".parsing.argument_parser",
    "ButlerInitializedTaskRunner": ".task_runner",
    "CmdLineTask": ".cmdline_task",
    "ConfigDatasetType": ".ids.dynamic_types",
    "DataIdContainer": ".ids.id_container",
    "DatasetArgument": ".ids.dynamic_types",
    "DatasetSpec": ".datasets",
    "Finding": ".findings",
    "Look": ".findings",
    "NoWorkFound": "lsst.pipe.base",
    "Struct": "lsst.pipe.base",
    "Task": "lsst.pipe.base",
    "TaskEntry": ".registry",
    "TaskError": "lsst.pipe.base",
    "TaskRunner": ".task_runner",
    "apply_overrides": ".config.overrides",
    "config_digest": ".config.job_config",
    "config_json": ".config.job_config",
    "effective_config": ".config.job_config",
    "known_tasks": ".registry",
    "load_task": ".registry",
    "package_versions": ".versions",
    "show": ".parsing.show_option",
    "task_names": ".plugins",
    "task_options": ".worker_side",
    "worker_command": ".worker_side",
}

__all__ = [*_HOME_OF]  # noqa: PLE0604 - names of the table above


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
