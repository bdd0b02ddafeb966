"""What a task author subclasses. No queue, no S3. May import butlers and what is below.

Names load at first use, so that importing this room costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from underbutler.lazy import lazy_names

if TYPE_CHECKING:
    from lsst.pipe.base import NoWorkFound as NoWorkFound
    from lsst.pipe.base import Struct as Struct
    from lsst.pipe.base import TaskError as TaskError

    from .argument_parser import ArgumentParser as ArgumentParser
    from .cmdline_task import CmdLineTask as CmdLineTask
    from .datasets import DatasetSpec as DatasetSpec
    from .dynamic_types import ConfigDatasetType as ConfigDatasetType
    from .dynamic_types import DatasetArgument as DatasetArgument
    from .id_container import DataIdContainer as DataIdContainer
    from .job_config import config_digest as config_digest
    from .job_config import config_json as config_json
    from .job_config import effective_config as effective_config
    from .overrides import apply_overrides as apply_overrides
    from .registry import TaskEntry as TaskEntry
    from .registry import known_tasks as known_tasks
    from .registry import load_task as load_task
    from .registry import task_names as task_names
    from .shows import show as show
    from .task_runner import ButlerInitializedTaskRunner as ButlerInitializedTaskRunner
    from .task_runner import TaskRunner as TaskRunner
    from .versions import package_versions as package_versions
    from .worker_side import task_options as task_options
    from .worker_side import worker_command as worker_command

_HOME_OF = {
    "ArgumentParser": ".argument_parser",
    "ButlerInitializedTaskRunner": ".task_runner",
    "CmdLineTask": ".cmdline_task",
    "ConfigDatasetType": ".dynamic_types",
    "DataIdContainer": ".id_container",
    "DatasetArgument": ".dynamic_types",
    "DatasetSpec": ".datasets",
    "NoWorkFound": "lsst.pipe.base",
    "Struct": "lsst.pipe.base",
    "TaskEntry": ".registry",
    "TaskError": "lsst.pipe.base",
    "TaskRunner": ".task_runner",
    "apply_overrides": ".overrides",
    "config_digest": ".job_config",
    "config_json": ".job_config",
    "effective_config": ".job_config",
    "known_tasks": ".registry",
    "load_task": ".registry",
    "package_versions": ".versions",
    "show": ".shows",
    "task_names": ".registry",
    "task_options": ".worker_side",
    "worker_command": ".worker_side",
}

__all__ = [*_HOME_OF]  # noqa: PLE0604 - names of the table above


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
