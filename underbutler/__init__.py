"""Underbutler: Butler data reduction as a Celery service.

What a task author needs is importable from here; the modules behind load at first use, so that ``import underbutler``
costs nothing and has no effect.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model.dataref import DataRef as DataRef
    from .pipe import ArgumentParser as ArgumentParser
    from .pipe import ButlerInitializedTaskRunner as ButlerInitializedTaskRunner
    from .pipe import CmdLineTask as CmdLineTask
    from .pipe import DatasetSpec as DatasetSpec
    from .pipe import Struct as Struct
    from .pipe import TaskError as TaskError
    from .pipe import TaskRunner as TaskRunner

__version__ = "0.1.0"

_HOME_OF = {
    "ArgumentParser": ".pipe",
    "ButlerInitializedTaskRunner": ".pipe",
    "CmdLineTask": ".pipe",
    "DataRef": ".model.dataref",
    "DatasetSpec": ".pipe",
    "Struct": ".pipe",
    "TaskError": ".pipe",
    "TaskRunner": ".pipe",
}

__all__ = [  # noqa: PLE0604 - names of the table above
    *_HOME_OF,
    "__version__",
]


def __getattr__(name: str) -> object:
    try:
        home = _HOME_OF[name]
    except KeyError:
        raise AttributeError(f"module 'underbutler' has no attribute {name!r}") from None
    return getattr(importlib.import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
