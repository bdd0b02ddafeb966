"""A request checked against its task and its repositories: the command, or all that is wrong. Nothing is written.

What needs no repository is checked first, and what is wrong there is told together with what a repository says.
"""

from __future__ import annotations

import argparse
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from underbutler.clock import stamp
from underbutler.errors import TransientError, UsageError
from underbutler.model.identity import new_id
from underbutler.model.message import decode_value
from underbutler.model.naming import run_name

from .config.instrument_defaults import instrument_defaults
from .data_choice import check_run, default_collections, existing_collections, refuse_remote_output
from .faults import Faults
from .job_command import JobCommand, LocalOptions
from .step_config import StepConfig, configure
from .step_data import Given, fill_containers, require_data, target_list, words_of_ids
from .step_options import complete_options
from .versions import package_versions

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from underbutler.butlers import Repositories

    from .datasets import DatasetSpec
    from .ids.id_argument import TaskParser
    from .request import JobRequest, Override

__all__ = ["LOG_NAME", "CheckedWords", "Identity", "TaskParts", "check_words", "checked_command"]

LOG_NAME: Final = "underbutler.task"

_STEP: Final = "steps[0]"


@dataclass(frozen=True, slots=True)
class TaskParts:
    """Of a task, what its requests are checked against.

    Parameters
    ----------
    parser
        Its parser.
    config
        A new config with its defaults; it is changed.
    override
        Called with the config before the overrides of the request.
    declared
        Dataset types that it puts.
    """

    parser: TaskParser
    config: Any
    override: Callable[[Any], None] | None
    declared: Mapping[str, DatasetSpec]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a job is.

    Parameters
    ----------
    job
        Its identity; None: a new one.
    run_stamp
        Time part of the name of a RUN of its own; None: now.
    """

    job: uuid.UUID | None = None
    run_stamp: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedWords:
    """What is known of a request without a repository.

    Parameters
    ----------
    step_config
        The effective config; None if there was a fault.
    options
        All options of the task, as JSON.
    given
        What its id arguments say.
    """

    step_config: StepConfig | None
    options: dict[str, Any]
    given: Given


def check_words(
    request: JobRequest, task: TaskParts, local: LocalOptions, faults: Faults, defaults: Sequence[Override] = ()
) -> CheckedWords:
    """Check a request as far as no repository is needed: config, options, and the grammar of its data IDs.

    `defaults` are the overrides that the instrument's map says.
    """
    if len(request.steps) > 1:
        text = f"A job of {len(request.steps)} steps cannot be run yet. Submit one job for each step."
        faults.add("steps", UsageError(text))
    step = request.steps[0]
    configured = configure(task.config, task.override, step.config, local, faults, f"{_STEP}.config", defaults)
    options = complete_options(task.parser, step.options, faults, f"{_STEP}.options")
    given = words_of_ids(task.parser, step, faults, _STEP)
    for field, value in (("queue", request.queue), ("user", request.user)):
        if value is not None and not value.strip():
            faults.add(field, UsageError(f"The {field} {value!r} is blank. Name one, or leave it out."))
    if request.collections == () and step.targets is None:
        faults.add("collections", UsageError("--collections names none. Example: --collections STE3/raw,STE3/calib."))
    if local.needs_data and step.targets is None and not request.allow_empty:
        require_data(task.parser, request, given, faults, _STEP)
    return CheckedWords(configured, options, given)


def checked_command(
    request: JobRequest,
    task: TaskParts,
    repositories: Repositories,
    identity: Identity,
    *,
    local: LocalOptions,
    log: logging.Logger | None = None,
) -> JobCommand:
    """Return the command of a request; close its `resources` after.

    Raises
    ------
    RequestError
        With every fault that was found.
    TransientError
        If a repository's database is away, and nothing else is wrong.
    """
    faults = Faults()
    words = check_words(request, task, local, faults, instrument_defaults(request, repositories))
    with ExitStack() as opened:
        try:
            command = _Opening(request, task, repositories, identity, local, words, faults, opened).command(log)
        except TransientError:
            faults.raise_if_any()
            raise
        faults.raise_if_any()
        assert command is not None, "what is missing is a fault"
        kept = opened.pop_all()
    command.resources.enter_context(kept)
    return command


@dataclass(frozen=True, slots=True)
class _Opening:
    """A request on its way to a command, with what is open for it."""

    request: JobRequest
    task: TaskParts
    repositories: Repositories
    identity: Identity
    local: LocalOptions
    words: CheckedWords
    faults: Faults
    opened: ExitStack

    def command(self, log: logging.Logger | None) -> JobCommand | None:
        """Return the command with its data, or None after a fault."""
        request = self.request
        user = request.user or self.repositories.settings.user
        job = self.identity.job or new_id()
        time = self.identity.run_stamp or stamp()
        own = run_name(user=user, task=self.task.parser.name, stamp=time, job=job)
        out = request.out or request.repo
        butler: Butler | None = None
        with self.faults.of("repo"):
            butler = self.opened.enter_context(self.repositories.butler(request.repo))
        self._check_output(butler, out, own)
        containers = self._containers()
        collections = None if butler is None else self._collections(butler, containers)
        configured = self.words.step_config
        if butler is None or collections is None or configured is None or len(containers) < len(self.words.given):
            return None
        command = JobCommand(
            request=request,
            local=self.local,
            job=job,
            user=user,
            out=out,
            run=own if request.run is None else request.run,
            own_run=request.run is None,
            collections=collections,
            config=configured.config,
            config_json=configured.document,
            config_digest=configured.digest,
            overrides=configured.overrides,
            options=self.words.options,
            versions=package_versions() if request.with_versions else {},
            containers=containers,
            elements=None,
            log=log or logging.getLogger(LOG_NAME),
            butler=butler,
            repositories=self.repositories,
            resources=ExitStack(),
        )
        for name, level in command.loglevels:
            logging.getLogger(name).setLevel(level)
        return self._with_data(command)

    def _with_data(self, command: JobCommand) -> JobCommand:
        arguments, declared = self.task.parser.id_arguments, self.task.declared
        if command.step.targets is not None:
            return replace(command, elements=target_list(command, arguments, declared, self.faults))
        if self.local.needs_data:
            fill_containers(command, arguments, declared, self.faults, _STEP)
        return command

    def _check_output(self, butler: Butler | None, out: str, own: str) -> None:
        request = self.request
        is_other = out != request.repo
        if butler is None and not is_other:
            return
        with self.faults.of("out"):
            if not self.local.show_only:
                refuse_remote_output(self.repositories, out, request.repo)
            if is_other:
                with self.repositories.butler(out) as output:
                    self._check_run(output, own)
        if butler is not None and not is_other:
            self._check_run(butler, own)

    def _check_run(self, output: Butler, own: str) -> None:
        with self.faults.of("run"):
            if self.request.run is not None:
                check_run(output, self.request.run, own, must_be_new=self.request.new_run)

    def _containers(self) -> dict[str, Any]:
        """Return the id containers with what is said of them; one whose dataset type is a fault is left out."""
        made: dict[str, Any] = {}
        if self.words.step_config is None:
            return made
        own = {name: decode_value(value) for name, value in self.words.options.items()}
        command = argparse.Namespace(**own, config=self.words.step_config.config)
        for name, argument in self.task.parser.id_arguments.items():
            with self.faults.of(f"{_STEP}.ids.{name}"):
                made[name] = argument.container(command)
                made[name].given = list(self.words.given[name])
        return made

    def _collections(self, butler: Butler, containers: Mapping[str, Any]) -> tuple[str, ...] | None:
        with self.faults.of("collections"):
            if self.request.collections is not None:
                return existing_collections(butler, self.request.collections)
            named = [name for container in containers.values() for name in container.instruments()]
            return default_collections(butler, self.request.repo, named)
        return None
