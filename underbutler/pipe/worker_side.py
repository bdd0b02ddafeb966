"""The parsed command of a worker: what a runner needs on the far side of the queue."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from underbutler.errors import UsageError
from underbutler.model.message import decode_value

from .config.job_config import effective_config
from .step_options import option_as_json

if TYPE_CHECKING:
    from lsst.daf.butler import Butler
    from lsst.pex.config import Config

    from .task_like import TaskLike

__all__ = ["task_options", "worker_command"]


class _HasOwnOptions(Protocol):
    """A task's parser."""

    @property
    def own_dests(self) -> list[str]: ...


def task_options(parser: _HasOwnOptions, parsedCmd: argparse.Namespace) -> dict[str, Any]:
    """Return the task's own options as JSON: they are kept with the job and are there again in a worker.

    Raises
    ------
    UsageError
        If the value of one is neither JSON nor of a tagged kind, naming it.
    """
    values = {dest: getattr(parsedCmd, dest) for dest in parser.own_dests if hasattr(parsedCmd, dest)}
    return {dest: option_as_json(dest, value) for dest, value in values.items()}


def worker_command(
    task_class: type[TaskLike],
    overrides: Iterable[Sequence[Any]] = (),
    options: Mapping[str, Any] | None = None,
    butler: Butler | None = None,
    log: logging.Logger | None = None,
    *,
    config: Config | None = None,
    timeout: float | None = None,
) -> argparse.Namespace:
    """Return the parsed command of a worker.

    Parameters
    ----------
    task_class
        The task.
    overrides
        The job's overrides, in order.
    options
        The job's options: what `task_options` returned.
    butler
        Writeable, with the job's RUN.
    log
        Parent of the task's log.
    config
        The effective config, if it is at hand already, validated and frozen (see `effective_config`); `overrides` are
        then not applied again.
    timeout
        Time limit of the target, in seconds; default that of the task class or its runner.

    Returns
    -------
    parsedCmd
        With ``config``, ``overrides``, ``log``, ``doraise`` (True), ``processes`` (1), ``timeout``, ``butler``,
        ``clobberConfig`` and ``noVersions`` (False), and every option of the task.

    Raises
    ------
    UsageError
        If an override cannot be applied, the config is not valid, or an option has the name of one of these.
    """
    pairs = [list(pair) for pair in overrides]
    fields: dict[str, Any] = {
        "config": effective_config(task_class, pairs) if config is None else config,
        "overrides": pairs,
        "log": log or logging.getLogger("underbutler.task"),
        "doraise": True,
        "processes": 1,
        "timeout": timeout or task_class.timeLimit or task_class.RunnerClass.TIMEOUT,
        "butler": butler,
        "clobberConfig": False,
        "noVersions": False,
    }
    own = {name: decode_value(value) for name, value in (options or {}).items()}
    taken = sorted(own.keys() & fields.keys())
    if taken:
        raise UsageError(f"{task_class.__name__} has an option {taken[0]!r}, a name that every command has. Rename it.")
    return argparse.Namespace(**fields, **own, options=dict(options or {}))
