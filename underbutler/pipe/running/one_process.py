"""One process of several that share a list of targets: its own logging, its own repositories."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from lsst.pipe.base import Struct

from underbutler.pipe.binding import plain_element

if TYPE_CHECKING:
    from underbutler.butlers import Repositories
    from underbutler.settings import Settings

    from .target_ending import TargetEnding

__all__ = ["prepare_process"]


class _Runner(Protocol):
    """Of a `TaskRunner`, what one process needs."""

    endings: list[TargetEnding]

    def run_counted(self, target: Any, repositories: Repositories | None) -> Any: ...


def prepare_process(runner: _Runner, settings: Settings | None, levels: list[tuple[str, int]]) -> Callable[[Any], Any]:
    """Prepare this process; return the function that runs a target, and returns its result and how it ended."""
    import logging

    from lsst.utils.threads import disable_implicit_threading

    from underbutler.butlers import Repositories
    from underbutler.telemetry.logs import configure

    configure()
    for name, level in levels:
        logging.getLogger(name).setLevel(level)
    disable_implicit_threading()
    repositories = None if settings is None else Repositories(settings)

    def work(target: Any) -> tuple[Any, TargetEnding]:
        runner.endings.clear()
        struct = runner.run_counted(target, repositories)
        if isinstance(struct, Struct) and hasattr(struct, "dataRef"):
            struct.dataRef = plain_element(struct.dataRef)
        return struct, runner.endings[-1]

    return work
