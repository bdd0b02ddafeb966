"""A submission that is understood and checked, before anything is written. May import pipe, records and below."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.butlers.repositories import delegated
from underbutler.errors import UsageError
from underbutler.model.dataref import DataRef
from underbutler.model.message import Element, describe, digest_of, encode_element
from underbutler.pipe import load_task
from underbutler.records import NewTarget

if TYPE_CHECKING:
    from underbutler.butlers import Repositories
    from underbutler.pipe import CmdLineTask, TaskRunner

__all__ = ["Prepared", "new_target", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A submission that was understood and checked, of which nothing is written yet.

    Parameters
    ----------
    task
        The task's registered name.
    command
        The parsed command (an `argparse.Namespace`).
    runner
        The task's runner, whose `precall` is still to come.
    targets
        One new target per element of the runner's target list.
    replaces
        Ended targets of another job that these run again: each may be run again once.
    """

    task: str
    command: Any
    runner: TaskRunner
    targets: tuple[NewTarget, ...]
    replaces: tuple[uuid.UUID, ...] = ()

    @property
    def job(self) -> uuid.UUID:
        """The identity that the job will have."""
        identity: uuid.UUID = self.command.job
        return identity


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
) -> Iterator[Prepared]:
    """Parse and check a submission without writing anything; its butlers are open inside the block.

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
        Time part of the default RUN collection's name, as `underbutler.clock.stamp` writes it; default now. Whoever
        may have to submit a job again under the same identity gives the same one.

    Raises
    ------
    UsageError
        If anything cannot succeed as written.
    """
    task_class: type[CmdLineTask] = load_task(task)
    parser = task_class._makeArgumentParser()
    with delegated(access_token):
        command = parser.parse(
            task_class.ConfigClass(),
            list(args),
            log,
            override=task_class.applyOverrides,
            repositories=repositories,
            job=job,
            user=user,
            task_class=task_class,
            run_stamp=run_stamp,
        )
        with command.resources:
            yield _checked(task, task_class, command)


def _checked(task: str, task_class: type[CmdLineTask], command: Any) -> Prepared:
    runner = task_class.RunnerClass(TaskClass=task_class, parsedCmd=command, doReturnResults=True)
    elements = runner.getTargetList(command)
    if not elements and not command.allowEmpty and not command.show_only:
        raise UsageError(
            f"{task}: the data IDs given match nothing in {command.repo!r}. "
            "Look at what exists with `--show data`, or pass --allow-empty."
        )
    return Prepared(
        task=task,
        command=command,
        runner=runner,
        targets=tuple(new_target(task, element, command.config_digest) for element in elements),
    )


def new_target(task: str, element: Element, config_digest: str, *, delay_s: float = 0.0) -> NewTarget:
    """Return a new target of an element of a target list.

    Parameters
    ----------
    task
        Registered name of the task.
    element
        What `getTargetList` yields.
    config_digest
        Digest of the job's effective config.
    delay_s
        Nobody may claim it earlier, seconds after it was recorded.

    Raises
    ------
    UsageError
        If a message cannot carry it.
    """
    args = encode_element(element)
    argsrepr, kwargsrepr = describe(args)
    return NewTarget(
        id=uuid.uuid4(),
        args=list(args),
        digest=digest_of(task, args, config_digest),
        data_id=_data_id(element),
        argsrepr=argsrepr,
        kwargsrepr=kwargsrepr,
        delay_s=delay_s,
    )


def _data_id(element: Element) -> dict[str, int | str]:
    """Return the data ID of a target: that of its reference, or what all references of its list share."""
    match element:
        case (DataRef() as ref, _):
            return ref.dataId
        case [DataRef() as first, *rest]:
            others = [ref.data_id for ref in rest if isinstance(ref, DataRef)]
            return {key: value for key, value in first.data_id.items() if all(o.get(key) == value for o in others)}
    return {}
