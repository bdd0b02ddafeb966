"""The one use-case that HTTP, command line and beat share: from words to messages.

Nothing is written before everything that can be wrong has been looked at; then precall writes into the Butler once, job
and targets become rows in one transaction, and after the commit the messages are sent. What could not be sent stays in
the rows.

What precall is going to write is recorded before it writes: if no job comes of it, it is removed again, by the
submitter or, when that has died, by the sweeper.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from underbutler.broker import connection, translate_broker_errors
from underbutler.butlers.translation import translate_butler_errors
from underbutler.errors import ConflictError, RecordsUnavailableError, TransientError, UsageError
from underbutler.pipe.precall import remove_run
from underbutler.records import JobRow, JobStore, NewJob, NewStep, Submission
from underbutler.retry import RECORDS_OF_A_SUBMISSION
from underbutler.submission.preparing import Prepared
from underbutler.submission.sending import Progress, send
from underbutler.submission.tokens import AccessToken, TokenVault
from underbutler.telemetry import tracing
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.butlers import Repositories
    from underbutler.settings import Settings

__all__ = ["submit", "undo_submission"]

log = get_logger(__name__)


class _Opened(Protocol):
    """Of a `ServiceContext`, what undoing a submission needs."""

    @property
    def jobs(self) -> JobStore: ...

    @property
    def repositories(self) -> Repositories: ...


class _Here(NamedTuple):
    """The same of a submitter."""

    jobs: JobStore
    repositories: Repositories


def submit(
    prepared: Prepared,
    *,
    jobs: JobStore,
    app: Celery,
    settings: Settings,
    parent: uuid.UUID | None = None,
    token: AccessToken | None = None,
    progress: Progress | None = None,
    on_unsent: Callable[[int, str], None] | None = None,
    quote_s: float | None = None,
) -> JobRow:
    """Make the job: precall, rows, messages. Either the whole job exists afterwards, or nothing of it.

    Parameters
    ----------
    prepared
        What `prepare` returned.
    jobs
        The records.
    app
        A Celery app that can send.
    settings
        Broker and keys; queue and lifetime of a job whose request names none.
    parent
        The job that this one retries, if any.
    token
        Delegated access token that its targets may use.
    progress
        Called with the number of messages sent so far.
    on_unsent
        Called with the number of messages sent and the reason why no more could be.
    quote_s
        How long it is expected to take, in seconds; None: nobody knows.

    Returns
    -------
    job
        The job as recorded. Once it is, nothing is an error any more: what could not be sent is sent by the sweeper.

    Raises
    ------
    TransientError
        If database or broker are away: then nothing exists, in the records or in the Butler. Only a database that goes
        away while the job is recorded, and does not come back for `Settings.database_wait_s`, leaves open whether it
        exists. The text says so, and if it does not exist the sweeper removes what precall wrote.
    UsageError
        If precall refuses, e.g. because the RUN given by ``-o`` holds another config; or if the token stands in what
        would be recorded.
    """
    _refuse_in_clear(prepared, token)
    with _traced(prepared, parent):
        return _submitted(
            prepared,
            jobs=jobs,
            app=app,
            settings=settings,
            parent=parent,
            token=token,
            progress=progress,
            on_unsent=on_unsent,
            quote_s=quote_s,
        )


def _traced(prepared: Prepared, parent: uuid.UUID | None) -> AbstractContextManager[None]:
    """Return the span of a submission: the first of its job's trace."""
    command = prepared.command
    return tracing.span(
        f"submit {prepared.task}",
        kind="producer",
        trace=prepared.job,
        identity=("submit", prepared.job),
        links=None if parent is None else {parent: ("submit", parent)},
        job=str(prepared.job),
        task=prepared.task,
        repo=command.repo,
        targets=len(prepared.targets),
        user=command.user,
    )


def _submitted(
    prepared: Prepared,
    *,
    jobs: JobStore,
    app: Celery,
    settings: Settings,
    parent: uuid.UUID | None,
    token: AccessToken | None,
    progress: Progress | None,
    on_unsent: Callable[[int, str], None] | None,
    quote_s: float | None,
) -> JobRow:
    """Do what `submit` says."""
    command = prepared.command
    jobs.ping()
    with translate_broker_errors(settings), connection(settings) as probe:
        probe.ensure_connection(max_retries=1, timeout=3)
    submission = Submission(
        job=prepared.job,
        repo=command.repo,
        out=command.out,
        run=command.run,
        own_run=command.own_run,
        user=command.user,
    )
    jobs.submissions.announce(submission)
    kept: list[str] = []
    traceparent = tracing.traceparent()

    def record() -> JobRow:
        if token is not None and not kept:
            kept.append(TokenVault(jobs, settings).keep(token, command.user))
        handle = kept[0] if kept else None
        return jobs.submissions.create_job(
            _new_job(
                prepared,
                settings=settings,
                parent=parent,
                token_handle=handle,
                traceparent=traceparent,
                quote_s=quote_s,
            )
        )

    try:
        with tracing.span("precall", repo=command.out), translate_butler_errors(command.out):
            prepared.runner.precall_or_raise(command.parsed_cmd)
        with tracing.span("record"):
            row = _recorded(record, jobs, prepared.job, settings.database_wait_s)
    except RecordsUnavailableError:
        raise  # nobody knows whether the job exists: its submission stays recorded, and the sweeper asks again
    except BaseException:
        _undo_now(submission, jobs, command.repositories)
        raise
    log.info("job_recorded", job=str(row.id), task=row.task, targets=len(prepared.targets), run=row.run)
    with tracing.span("send", kind="producer"):
        _send(row, jobs, app, settings, progress, on_unsent)
    return row


def undo_submission(context: _Opened, submission: Submission) -> bool:
    """Remove what a submission wrote into the Butler whose job was never recorded, and forget it.

    Only for one that cannot become a job any more: its submitter has failed, or `Submissions.give_up_stale` has taken
    it. A RUN that was named with ``-o`` is left as it is, because others may write there.

    Parameters
    ----------
    context
        What this process has open.
    submission
        As it was recorded before its precall.

    Returns
    -------
    removed
        Whether a RUN was removed. False also when the job exists: then its submission was complete.

    Raises
    ------
    TransientError
        If records or Butler are away; then it is still recorded.
    """
    removed = False
    if submission.own_run and _made(context.jobs, submission.job) is None:
        removed = _remove_run(context.repositories, submission)
    context.jobs.submissions.forget(submission.job)
    if removed:
        log.info("submission_undone", job=str(submission.job), repo=submission.out, run=submission.run)
    return removed


def _made(jobs: JobStore, job: uuid.UUID) -> JobRow | None:
    """Return a job that was recorded with its targets; None while, or if, it is but a stored request."""
    row = jobs.read.job_if_any(job)
    return row if row is not None and row.run else None


def _recorded(record: Callable[[], JobRow], jobs: JobStore, job: uuid.UUID, wait_s: float) -> JobRow:
    """Record a job; whether a commit whose answer was lost took place is asked until the records answer."""
    deadline = time.monotonic() + wait_s
    again = False
    while True:
        try:
            row = _made(jobs, job) if again else None
            return row or record()
        except ConflictError:
            # The first commit may have ended after we had asked for it.
            if again and (row := _made(jobs, job)) is not None:
                return row
            raise
        except RecordsUnavailableError as error:
            if time.monotonic() > deadline:
                raise RecordsUnavailableError(
                    f"{error} They went away while job {job} was recorded. When they are back, `underbutler status "
                    f"{job}` says whether it exists; if it does not, `underbutler sweep` removes what was prepared for "
                    "it. Then submit again.",
                    **error.fields | {"job": str(job)},
                ) from error
        again = True
        time.sleep(RECORDS_OF_A_SUBMISSION.first_s)


def _send(
    row: JobRow,
    jobs: JobStore,
    app: Celery,
    settings: Settings,
    progress: Progress | None,
    on_unsent: Callable[[int, str], None] | None,
) -> None:
    """Send a recorded job's messages as far as possible."""
    sent = 0

    def count(number: int) -> None:
        nonlocal sent
        sent = number
        if progress is not None:
            progress(number)

    try:
        with translate_broker_errors(settings):
            send(jobs, app, job=row.id, progress=count)
    except TransientError as error:
        log.warning("messages_left_to_the_sweeper", job=str(row.id), sent=sent, of=row.n_targets, reason=str(error))
        if on_unsent is not None:
            on_unsent(sent, str(error))


def _new_job(
    prepared: Prepared,
    *,
    settings: Settings,
    parent: uuid.UUID | None,
    token_handle: str | None,
    traceparent: str | None,
    quote_s: float | None,
) -> NewJob:
    command, request = prepared.command, prepared.command.request
    step = NewStep(
        label=command.step.name,
        task=prepared.task,
        config=command.config_json,
        config_digest=command.config_digest,
        targets=prepared.targets,
        overrides=command.overrides,
        options=command.options,
    )
    return NewJob(
        id=prepared.job,
        repo=command.repo,
        out=command.out,
        run=command.run,
        user=command.user,
        steps=[step],
        request=request.to_record(),
        versions=command.versions,
        collections=list(command.collections),
        queue=request.queue or settings.queue,
        parent_id=parent,
        replaces=prepared.replaces,
        token_handle=token_handle,
        lifetime_s=request.lifetime_s or settings.job_lifetime_s,
        announced=True,
        traceparent=traceparent,
        quote_s=quote_s,
    )


def _undo_now(submission: Submission, jobs: JobStore, repositories: Repositories) -> None:
    """Undo a submission that has failed; if that fails too, the sweeper does it."""
    try:
        undo_submission(_Here(jobs, repositories), submission)
    except Exception as error:  # noqa: BLE001 - the submission's own error is the one to tell
        log.warning("submission_left_to_the_sweeper", job=str(submission.job), reason=str(error))


def _remove_run(repositories: Repositories, submission: Submission) -> bool:
    try:
        with repositories.butler(submission.out, writeable=True) as butler:
            return remove_run(butler, submission.run)
    except UsageError as error:  # the label or the repository is gone, and the RUN with it
        log.warning("submission_has_no_repository", job=str(submission.job), repo=submission.out, reason=str(error))
        return False


def _refuse_in_clear(prepared: Prepared, token: AccessToken | None) -> None:
    """Refuse a submission whose own words hold its access token: records and messages would show it."""
    if token is None:
        return
    command = prepared.command
    recorded = command.request.to_record()
    words = [recorded, command.overrides, command.options, command.run, *(target.args for target in prepared.targets)]
    if any(token.secret in json.dumps(word, ensure_ascii=False, default=str) for word in words):
        raise UsageError(
            "The access token stands in the task's own options or arguments, where everybody could read it. Leave it "
            "out: a remote repository is opened with the token that is given by --access-token-file."
        )
