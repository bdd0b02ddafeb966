"""From a request to the command that carries it out, or to every fault of it at once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .checking import Identity, TaskParts, check_words, checked_command
from .faults import Fault, Faults, request_error
from .job_command import JobCommand, LocalOptions
from .registry import load_task

if TYPE_CHECKING:
    from underbutler.butlers import Repositories

    from .request import JobRequest

__all__ = ["faults_of_words", "understand"]


def understand(
    request: JobRequest,
    repositories: Repositories,
    identity: Identity | None = None,
    *,
    local: LocalOptions | None = None,
    log: logging.Logger | None = None,
) -> JobCommand:
    """Return the command of a request. Nothing is written; close its `resources` after.

    Parameters
    ----------
    request
        What is asked for.
    repositories
        Where labels lead to.
    identity
        Identity of the job to be; default a new one. Whoever may have to submit a job again gives the same.
    local
        What was said of this process, if the request comes from a command line.
    log
        Parent of the task's log.

    Raises
    ------
    RequestError
        If it cannot succeed as written, with every fault that was found, each with the name of its field.
    TransientError
        If a repository's database is away, and nothing else is wrong.
    """
    faults = Faults()
    task: TaskParts | None = None
    with faults.of("steps[0].task"):
        task = _parts(request)
    if task is not None:
        return checked_command(
            request, task, repositories, identity or Identity(), local=local or LocalOptions(), log=log
        )
    for field, label in (("repo", request.repo), ("out", request.out)):
        with faults.of(field):
            if label is not None:
                repositories.is_remote(label)
    raise request_error(faults.found)


def faults_of_words(request: JobRequest) -> tuple[Fault, ...]:
    """Return what is wrong with a request as far as no repository is needed to tell."""
    faults = Faults()
    with faults.of("steps[0].task"):
        check_words(request, _parts(request), LocalOptions(), faults)
    return tuple(faults.found)


def _parts(request: JobRequest) -> TaskParts:
    task_class = load_task(request.steps[0].task)
    return TaskParts(
        parser=task_class._makeArgumentParser(),
        config=task_class.ConfigClass(),
        override=task_class.applyOverrides,
        declared=task_class.datasetTypes,
    )
