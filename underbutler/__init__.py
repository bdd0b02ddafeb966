"""Underbutler: Butler data reduction as a Celery service.

What a task author needs is importable from here; the modules behind load at first use, so that ``import underbutler``
costs nothing and has no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names
from .version import __version__

if TYPE_CHECKING:
    from underbutler_client import AsyncClient as AsyncClient
    from underbutler_client import Client as Client

    from .model.dataref import DataRef as DataRef
    from .pipe import ArgumentParser as ArgumentParser
    from .pipe import ButlerInitializedTaskRunner as ButlerInitializedTaskRunner
    from .pipe import CmdLineTask as CmdLineTask
    from .pipe import DatasetSpec as DatasetSpec
    from .pipe import Finding as Finding
    from .pipe import Look as Look
    from .pipe import Struct as Struct
    from .pipe import Task as Task
    from .pipe import TaskError as TaskError
    from .pipe import TaskRunner as TaskRunner

_HOME_OF = {
    "AsyncClient": "underbutler_client",
    "ArgumentParser": ".pipe",
    "ButlerInitializedTaskRunner": ".pipe",
    "Client": "underbutler_client",
    "CmdLineTask": ".pipe",
    "DataRef": ".model.dataref",
    "DatasetSpec": ".pipe",
    "Finding": ".pipe",
    "Look": ".pipe",
    "Struct": ".pipe",
    "Task": ".pipe",
    "TaskError": ".pipe",
    "TaskRunner": ".pipe",
}

__all__ = [  # noqa: PLE0604 - names of the table above
    *_HOME_OF,
    "__version__",
]


__getattr__, __dir__ = lazy_names(__name__, _HOME_OF)
