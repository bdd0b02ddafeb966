"""A request that was checked: all that a runner needs, and the seed's ``parsedCmd`` made from it."""

from __future__ import annotations

import argparse
import logging
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.model.message import decode_value

from .ids.id_container import DataIdContainer
from .request import JobRequest, RequestStep

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories

__all__ = ["JobCommand", "LocalOptions", "Origin"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a config override was written, for error texts and ``--show history``.

    Parameters
    ----------
    words
        The words that said it, e.g. ``-c scale=2`` or ``-C over.toml``.
    file
        The file that held it, if one did.
    """

    words: str
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """What a command line says of this process and not of the job: nothing of it is part of a request.

    Parameters
    ----------
    show
        What ``--show`` asks for.
    processes, timeout
        Number of processes, and time limit of all targets in them, in seconds.
    doraise
        Whether the first error is raised.
    no_exit
        Whether failures leave the exit status 0.
    no_check
        Whether targets are run that are known to fail.
    loglevels
        Levels by component; the empty component is the task's log.
    origins
        Where each config override was written.
    scripts
        Python files that are executed before the config override of that index.
    """

    show: tuple[str, ...] = ()
    processes: int = 1
    timeout: float | None = None
    doraise: bool = False
    no_exit: bool = False
    no_check: bool = False
    loglevels: tuple[tuple[str, int], ...] = ()
    origins: tuple[Origin, ...] = ()
    scripts: tuple[tuple[int, Path], ...] = ()

    @property
    def show_only(self) -> bool:
        """Whether something is shown and nothing is run."""
        return bool(self.show) and "run" not in self.show

    @property
    def needs_data(self) -> bool:
        """Whether data are looked up."""
        return not self.show_only or bool({"data", "targets"} & set(self.show))


@dataclass(frozen=True, kw_only=True)
class JobCommand:
    """What a runner needs of a request.

    Parameters
    ----------
    request
        What was asked for.
    local
        What was said of this process.
    job, user
        Identity of the job to be, and whose it is.
    out
        Label of the repository that is written.
    run, own_run
        RUN collection of the outputs, and whether it is one of the job's own.
    collections
        Collections that are searched.
    config, config_json, config_digest
        The effective config: validated and frozen, as JSON, and the digest of that.
    overrides
        Config overrides in their one spelling, ``[path, value]``, in order.
    options
        All options of the task, as JSON.
    versions
        Versions of packages; empty if they are not wanted.
    containers
        By name of an id argument: its data IDs and references.
    elements
        The target list, if the request named the targets; None: the runner makes it.
    log
        Parent of the task's log.
    butler
        It reads.
    repositories
        Where labels lead to.
    resources
        Close it after.
    """

    request: JobRequest
    local: LocalOptions
    job: uuid.UUID
    user: str
    out: str
    run: str
    own_run: bool
    collections: tuple[str, ...]
    config: Any
    config_json: Mapping[str, Any]
    config_digest: str
    overrides: tuple[list[Any], ...]
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    containers: Mapping[str, DataIdContainer]
    elements: tuple[Any, ...] | None
    log: logging.Logger
    butler: Butler
    repositories: Repositories
    resources: ExitStack = field(repr=False)

    @property
    def repo(self) -> str:
        """Label of the repository that is read."""
        return self.request.repo

    @property
    def step(self) -> RequestStep:
        """The one step of the request."""
        return self.request.steps[0]

    @cached_property
    def parsed_cmd(self) -> argparse.Namespace:
        """The same for a task's author, as `ArgumentParser.parse` describes it: always the same object.

        Task and runner may write to it, as they could in Gen2; this command does not change by that.
        """
        own = {name: decode_value(value) for name, value in self.options.items()}
        return argparse.Namespace(**(own | self._standard_fields() | self._opened_fields() | dict(self.containers)))

    @property
    def loglevels(self) -> list[tuple[str, int]]:
        """Names of loggers, with the levels that are asked for."""
        return [
            (name, number)
            for component, number in self.local.loglevels
            for name in ((f"{self.log.name}.{component}", component) if component else (self.log.name,))
        ]

    def _standard_fields(self) -> dict[str, Any]:
        request, local = self.request, self.local
        return {
            "input": request.repo,
            "repo": request.repo,
            "out": self.out,
            "run": self.run,
            "ownRun": self.own_run,
            "job": self.job,
            "user": self.user,
            "collections": self.collections,
            "query": self.step.where,
            "allowEmpty": request.allow_empty,
            "yes": request.allow_many,
            "clobberConfig": request.new_run,
            "noVersions": not request.with_versions,
            "overrides": list(self.overrides),
            "config_json": self.config_json,
            "config_digest": self.config_digest,
            "options": dict(self.options),
            "versions": dict(self.versions),
            "processes": local.processes,
            "timeout": local.timeout,
            "doraise": local.doraise,
            "noExit": local.no_exit,
            "noCheck": local.no_check,
            "show": list(local.show),
            "show_only": local.show_only,
        }

    def _opened_fields(self) -> dict[str, Any]:
        return {
            "config": self.config,
            "log": self.log,
            "loglevels": self.loglevels,
            "butler": self.butler,
            "repositories": self.repositories,
            "resources": self.resources,
            "idContainers": list(self.containers.values()),
        }
