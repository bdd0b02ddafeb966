"""A submission that is understood and checked, before anything is written."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.butlers.repositories import delegated
from underbutler.butlers.translation import translate_butler_errors
from underbutler.errors import UsageError
from underbutler.model.identity import new_id
from underbutler.model.message import Element, describe, digest_of, encode_element
from underbutler.pipe.binding import references, shared_data_id
from underbutler.records import NewTarget

if TYPE_CHECKING:
    from underbutler.butlers import Repositories
    from underbutler.pipe import TaskRunner
    from underbutler.pipe.checking import Identity
    from underbutler.pipe.findings import Look
    from underbutler.pipe.job_command import JobCommand, LocalOptions
    from underbutler.pipe.request import JobRequest

__all__ = ["Prepared", "look_before", "new_target", "prepare", "prepare_request"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A submission that was understood and checked, of which nothing is written yet.

    Parameters
    ----------
    command
        The request as it was understood.
    runner
        The task's runner, whose `precall` is still to come.
    targets
        One new target per element of the runner's target list.
    elements
        The runner's target list itself.
    replaces
        Ended targets of another job that these run again: each may be run again once.
    """

    command: JobCommand
    runner: TaskRunner
    targets: tuple[NewTarget, ...]
    elements: tuple[Element, ...]
    replaces: tuple[uuid.UUID, ...] = ()

    @property
    def task(self) -> str:
        """The task's registered name."""
        return self.command.step.task

    @property
    def job(self) -> uuid.UUID:
        """The identity that the job will have."""
        return self.command.job


def look_before(prepared: Prepared) -> Look:
    """Return what the targets of a submission lack, as far as their task says what it needs. Nothing is written."""
    task_class = prepared.runner.TaskClass
    with translate_butler_errors(prepared.command.repo):
        return task_class.lookBefore(prepared.elements, prepared.command.parsed_cmd)


@contextmanager
def prepare(
    task: str,
    args: Sequence[str],
    *,
    repositories: Repositories,
    user: str,
    job: uuid.UUID | None = None,
    log: logging.Logger | None = None,
    access_token: str | None = None,
    run_stamp: str | None = None,
    **asked: Any,
) -> Iterator[Prepared]:
    """Read the words of a command and prepare what they ask for, as `prepare_request` does.

    Parameters
    ----------
    task
        Registered name of the task.
    args
        Repository label and options, as on the command line.
    repositories
        Where labels lead to.
    user
        Who submits; part of the default RUN collection's name.
    job
        Identity of the job to be; default a new one.
    log
        Parent of the task's log.
    access_token
        Delegated token with which remote repositories are opened.
    run_stamp
        Time part of the default RUN collection's name, as `underbutler.clock.stamp` writes it; default now.
    **asked
        Fields of the request that no word says, e.g. ``lifetime_s``.

    Raises
    ------
    UsageError
        If anything cannot succeed as written.
    """
    from underbutler.pipe import load_task
    from underbutler.pipe.checking import Identity

    line = load_task(task)._makeArgumentParser().read(list(args), task=task)
    with prepare_request(
        line.request.replaced(user=user, **asked),
        repositories=repositories,
        identity=Identity(job, run_stamp),
        local=line.local,
        log=log,
        access_token=access_token,
    ) as prepared:
        yield prepared


@contextmanager
def prepare_request(
    request: JobRequest,
    *,
    repositories: Repositories,
    identity: Identity | None = None,
    local: LocalOptions | None = None,
    log: logging.Logger | None = None,
    access_token: str | None = None,
) -> Iterator[Prepared]:
    """Check a request without writing anything; its butlers are open inside the block.

    Parameters
    ----------
    request
        What is asked for.
    repositories
        Where labels lead to.
    identity
        Identity of the job to be; default a new one. Whoever may have to submit a job again gives the same one.
    local
        What a command line says of this process.
    log
        Parent of the task's log.
    access_token
        Delegated token with which remote repositories are opened.

    Raises
    ------
    RequestError
        If it cannot succeed as written, with every fault.
    UsageError
        If no target comes of it, or one that a message cannot carry.
    """
    from underbutler.pipe.understanding import understand

    with delegated(access_token):
        with translate_butler_errors(request.repo):
            command = understand(request, repositories, identity, local=local, log=log)
        with command.resources:
            with translate_butler_errors(command.repo):
                prepared = _with_targets(command)
            yield prepared


def _with_targets(command: JobCommand) -> Prepared:
    from underbutler.pipe import load_task

    request, task = command.request, command.step.task
    task_class = load_task(task)
    runner = task_class.RunnerClass(TaskClass=task_class, parsedCmd=command.parsed_cmd, doReturnResults=True)
    elements = runner.getTargetList(command.parsed_cmd) if command.elements is None else command.elements
    if not elements and not request.allow_empty and not command.local.show_only:
        raise UsageError(
            f"{task}: the data IDs given match nothing in {command.repo!r}. "
            "Look at what exists with `--show data`, or pass --allow-empty."
        )
    return Prepared(
        command=command,
        runner=runner,
        targets=tuple(new_target(task, element, command.config_digest) for element in elements),
        elements=tuple(elements),
    )


def new_target(task: str, element: Element, config_digest: str) -> NewTarget:
    """Return a new target of an element of a target list.

    Parameters
    ----------
    task
        Registered name of the task.
    element
        What `getTargetList` yields.
    config_digest
        Digest of the job's effective config.

    Raises
    ------
    UsageError
        If a message cannot carry it, or it holds no reference.
    """
    args = encode_element(element)
    argsrepr, kwargsrepr = describe(args)
    if next(references(element), None) is None:
        raise UsageError(
            f"A target of {task} holds no data reference: {argsrepr}. Nothing says which repository it is about; have "
            "getTargetList return references, or pairs (ref, kwargs)."
        )
    return NewTarget(
        id=new_id(),
        args=list(args),
        digest=digest_of(task, args, config_digest),
        data_id=shared_data_id(element),
        argsrepr=argsrepr,
        kwargsrepr=kwargsrepr,
    )
