"""The one use-case that HTTP, command line and beat share: from words to messages.

Nothing is written before everything that can be wrong has been looked at; then precall writes into the Butler once, job
and targets become rows in one transaction, and after the commit the messages are sent. What could not be sent stays in
the rows. May import annex, records, pipe and what is below.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from underbutler.broker import connection, reachable
from underbutler.errors import UsageError
from underbutler.logs import get_logger
from underbutler.model.dataref import DataRef
from underbutler.model.message import HEADER, Element, describe, digest_of, encode_element
from underbutler.pipe import load_task
from underbutler.records import JobRow, JobStore, NewJob, NewTarget

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.butlers import Repositories
    from underbutler.pipe import CmdLineTask, TaskRunner
    from underbutler.records import Outgoing
    from underbutler.settings import Settings

__all__ = ["Prepared", "prepare", "send", "submit"]

log = get_logger(__name__)

Progress = Callable[[int], None]
SEND_BATCH = 500
"""Messages that one broker round trip carries."""


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
    """

    task: str
    command: Any
    runner: TaskRunner
    targets: tuple[NewTarget, ...]

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

    Raises
    ------
    UsageError
        If anything cannot succeed as written.
    """
    task_class: type[CmdLineTask] = load_task(task)
    parser = task_class._makeArgumentParser()
    command = parser.parse(
        task_class.ConfigClass(),
        list(args),
        log,
        override=task_class.applyOverrides,
        repositories=repositories,
        job=job,
        user=user,
        task_class=task_class,
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
        targets=tuple(_new_target(task, element, command.config_digest) for element in elements),
    )


def submit(
    prepared: Prepared,
    *,
    jobs: JobStore,
    app: Celery,
    settings: Settings,
    parent: uuid.UUID | None = None,
    progress: Progress | None = None,
) -> JobRow:
    """Make the job: precall, rows, messages.

    Parameters
    ----------
    prepared
        What `prepare` returned.
    jobs
        The records.
    app
        A Celery app that can send.
    settings
        Queue and broker.
    parent
        The job that this one retries, if any.
    progress
        Called with the number of messages sent so far.

    Returns
    -------
    job
        The job as recorded, its messages sent.

    Raises
    ------
    TransientError
        If database or broker are away: then nothing exists, in the records or in the Butler.
    UsageError
        If precall refuses, e.g. because the RUN given by ``-o`` holds another config.
    """
    command = prepared.command
    jobs.ping()
    with reachable(settings), connection(settings) as probe:
        probe.ensure_connection(max_retries=1, timeout=3)
    written = prepared.runner.precall_or_raise(command)
    try:
        row = jobs.create_job(
            NewJob(
                id=prepared.job,
                task=prepared.task,
                repo=command.repo,
                out=command.out,
                run=command.run,
                user=command.user,
                overrides=command.overrides,
                config=command.config_json,
                config_digest=command.config_digest,
                options=command.options,
                versions=command.versions,
                collections=list(command.collections),
                queue=settings.queue,
                parent_id=parent,
                targets=prepared.targets,
            )
        )
    except BaseException:
        prepared.runner.undo_precall(command, written)
        raise
    log.info("job_recorded", job=str(row.id), task=row.task, targets=len(prepared.targets), run=row.run)
    with reachable(settings):
        send(jobs, app, job=row.id, progress=progress)
    return jobs.job(row.id)


def send(
    jobs: JobStore,
    app: Celery,
    *,
    job: uuid.UUID | None = None,
    older_than_s: float = 0.0,
    at_most: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Send the messages of targets that are recorded and not sent; return how many were.

    A sending that the broker did not confirm stays unsent in the rows, and its repetition is harmless: a second
    delivery of a target stands down.

    Parameters
    ----------
    jobs
        The records.
    app
        A Celery app that can send.
    job
        Only those of this job.
    older_than_s
        Leave what was never sent and is younger than this to its submitter, in seconds.
    at_most
        Leave the rest to another call.
    progress
        Called with the number of messages sent so far.
    """
    sent = 0
    with app.producer_pool.acquire(block=True) as producer:
        while batch := jobs.take_unsent(
            job=job,
            limit=SEND_BATCH if at_most is None else min(SEND_BATCH, at_most - sent),
            older_than_s=older_than_s,
        ):
            for outgoing in batch:
                _publish(app, producer, outgoing)
            jobs.mark_sent([(item.message.envelope.target, item.message.envelope.send_no) for item in batch])
            sent += len(batch)
            if progress is not None:
                progress(sent)
            if sent == at_most:
                break
    return sent


def _publish(app: Celery, producer: Any, outgoing: Outgoing) -> None:
    message = outgoing.message
    app.send_task(
        message.task,
        args=message.args,
        kwargs={},
        task_id=message.envelope.task_id,
        queue=outgoing.queue,
        headers={HEADER: message.envelope.to_json()},
        argsrepr=outgoing.argsrepr,
        kwargsrepr=outgoing.kwargsrepr,
        producer=producer,
        ignore_result=True,
    )


def _new_target(task: str, element: Element, config_digest: str) -> NewTarget:
    args = encode_element(element)
    argsrepr, kwargsrepr = describe(args)
    return NewTarget(
        id=uuid.uuid4(),
        args=list(args),
        digest=digest_of(task, args, config_digest),
        data_id=_data_id(element),
        argsrepr=argsrepr,
        kwargsrepr=kwargsrepr,
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
