"""Targets that ended badly, run again: as a new job, linked to the old one, with a RUN collection of its own.

A job that has ended is never opened again. Replay from quarantine and retry of a job's failures both come here. May
import submit, context and what is below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from underbutler.broker import send_to_every_queue, translate_broker_errors
from underbutler.butlers.repositories import delegated
from underbutler.errors import TokenExpiredError, TransientError, UsageError
from underbutler.model.identity import short_id
from underbutler.model.message import decode_element, has_kwargs
from underbutler.pipe.config.overrides import split_word
from underbutler.pipe.request import JobRequest
from underbutler.submission.preparing import Prepared, look_before, prepare_request
from underbutler.submission.sending import send
from underbutler.submission.submit import submit
from underbutler.submission.tokens import AccessToken, TokenVault
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from celery import Celery

    from underbutler.context import ServiceContext
    from underbutler.records import JobRow, TargetRow

__all__ = ["Pace", "prepare_again", "request_again", "run_again"]

log = get_logger(__name__)

LOOK_S: Final = 0.2
"""Seconds between two looks at what may leave by now."""
PATIENCE_S: Final = 5.0
"""What has not left so long after it might have is the sweeper's, in seconds."""


class Pace:
    """When each message may leave: so many per second, counted over several jobs.

    The times are recorded with the targets, so that the pace is kept by whoever sends them.

    Parameters
    ----------
    per_second
        Messages per second; None: all at once.
    """

    def __init__(self, per_second: float | None = None) -> None:
        self._step_s = 0.0 if per_second is None else 1.0 / per_second
        self._free_at = 0.0

    @property
    def slow(self) -> bool:
        """Whether there is a pace to be kept at all."""
        return self._step_s > 0

    def delays(self, number: int) -> list[float]:
        """Return for the next messages how long each has to wait, in seconds from now."""
        now = time.monotonic()
        first = max(now, self._free_at)
        self._free_at = first + number * self._step_s
        return [first + index * self._step_s - now for index in range(number)]

    @property
    def left_s(self) -> float:
        """Seconds until the last message may leave."""
        return max(0.0, self._free_at - self._step_s - time.monotonic())


def run_again(
    context: ServiceContext,
    app: Celery,
    targets: Sequence[TargetRow],
    *,
    config_words: Sequence[str] = (),
    kwargs: Mapping[str, Any] | None = None,
    check: bool = True,
    per_second: float | None = None,
    token: AccessToken | None = None,
    user: str | None = None,
    progress: Callable[[int], object] | None = None,
    on_unsent: Callable[[int, str], None] | None = None,
) -> list[JobRow]:
    """Run targets again: one new job for each job that they come from.

    Each old target is marked in the transaction that makes its new job: of two who run the same one again, one fails
    and leaves nothing.

    Parameters
    ----------
    context
        Records and butlers.
    app
        A Celery app that can send.
    targets
        What is run again, of any jobs; all have ended.
    config_words
        Config overrides ``PATH=VALUE``, applied after those of the old job.
    kwargs
        Replaces the keyword arguments of every target, JSON and tagged values; None keeps each one's own.
    check
        Whether a job is refused of which targets would fail for a reason that is known: what stood in their way the
        first time may still be so.
    per_second
        Messages that may leave per second; None: all at once.
    token
        Access token for remote repositories; default the one of each old job.
    user
        Whose the new jobs are; default the user of the settings.
    progress
        Called with the number of messages sent so far.
    on_unsent
        Called with the number of a job's messages that were sent and the reason why no more could be.

    Returns
    -------
    jobs
        The new jobs, in the order of the targets. What could not be sent is sent by the sweeper.

    Raises
    ------
    ConflictError
        If a target was run again in the meantime.
    UsageError
        If this release's task does not take what is recorded, or the kwargs; or if targets of one job are of several
        steps: then nothing has been made.
    TransientError
        If records, broker or a repository are away; jobs that were made before stay.
    """
    pace = Pace(per_second)
    tally = _Tally(progress)
    made: list[JobRow] = []
    of_jobs = [
        (context.jobs.read.job(job), list(wanted)) for job, wanted in groupby(targets, key=lambda one: one.job_id)
    ]
    for row, _ in of_jobs:
        _refuse_several_steps(row, targets)
    send_to_every_queue(app, context.settings)
    for row, wanted in of_jobs:
        own = token or _token_of(context, row)
        with (
            delegated(None if own is None else own.secret),
            prepare_again(
                context, row, wanted, config_words=config_words, kwargs=kwargs, pace=pace, user=user
            ) as prepared,
        ):
            if check:
                look_before(prepared).raise_if_failing()
            again = submit(
                prepared,
                jobs=context.jobs,
                app=app,
                settings=context.settings,
                parent=row.id,
                token=own,
                progress=tally.of_this_job,
                on_unsent=on_unsent,
            )
        tally.next_job()
        log.info("run_again", job=str(again.id), parent=str(row.id), targets=again.n_targets)
        made.append(again)
    _send_the_rest(context, app, made, pace, tally, on_unsent)
    return made


def _refuse_several_steps(row: JobRow, targets: Sequence[TargetRow]) -> None:
    """Refuse a job's targets of several steps: a later step would not read the RUN of an earlier one's new job."""
    ordinals = {target.step for target in targets if target.job_id == row.id}
    if len(ordinals) > 1:
        short = short_id(row.id)
        labels = [step.label for step in row.steps if step.ordinal in ordinals]
        raise UsageError(
            f"Targets of job {short} that are to run again are of {len(labels)} steps ({', '.join(labels)}), and a job "
            f"of several steps cannot be submitted yet. Run those of one again: `underbutler retry {short} --step "
            f"{labels[0]}`; a later step then reads what the old job wrote.",
            job=short,
        )


class _Tally:
    """Counts messages sent, over several jobs."""

    def __init__(self, progress: Callable[[int], object] | None) -> None:
        self.sent = 0
        self._of_this_job = 0
        self._progress = progress

    def of_this_job(self, number: int) -> None:
        self._of_this_job = number
        if self._progress is not None:
            self._progress(self.sent + number)

    def next_job(self) -> None:
        self.sent += self._of_this_job
        self._of_this_job = 0


def _token_of(context: ServiceContext, row: JobRow) -> AccessToken | None:
    """Return the access token that a job was submitted with, if it is good still.

    Raises
    ------
    TokenExpiredError
        If it is not.
    """
    if row.token_handle is None:
        return None
    try:
        secret = TokenVault(context.jobs, context.settings).redeem(row.token_handle)
    except TokenExpiredError as error:
        raise TokenExpiredError(
            f"The access token of job {short_id(row.id)} is not good any more: {error} Here: give a new one with "
            "--access-token-file PATH, or set UNDERBUTLER_ACCESS_TOKEN.",
            job=str(row.id),
        ) from error
    kept = context.jobs.tokens.get(row.token_handle)
    return None if kept is None else AccessToken(secret, kept.expires_at)


@contextmanager
def prepare_again(
    context: ServiceContext,
    row: JobRow,
    targets: Sequence[TargetRow],
    *,
    config_words: Iterable[str] = (),
    kwargs: Mapping[str, Any] | None = None,
    pace: Pace | None = None,
    user: str | None = None,
) -> Iterator[Prepared]:
    """Prepare a submission of targets of one step from the record of their job, without writing.

    Its butlers are open inside the block.

    Raises
    ------
    UsageError
        If this release's task does not take what is recorded, or the kwargs.
    """
    request = request_again(row, targets, config_words=config_words, kwargs=kwargs, user=user)
    with prepare_request(request, repositories=context.repositories) as prepared:
        delays = (pace or Pace()).delays(len(targets))
        paced = zip(prepared.targets, delays, strict=True)
        yield replace(
            prepared,
            targets=tuple(replace(target, delay_s=delay) for target, delay in paced),
            replaces=tuple(target.id for target in targets),
        )


def request_again(
    row: JobRow,
    targets: Sequence[TargetRow],
    *,
    config_words: Iterable[str] = (),
    kwargs: Mapping[str, Any] | None = None,
    user: str | None = None,
) -> JobRequest:
    """Return the request that runs targets of one step of a job again, with a RUN of its own.

    Parameters
    ----------
    row
        The job as recorded.
    targets
        Which of its targets.
    config_words
        Config overrides ``PATH=VALUE``, applied after those recorded.
    kwargs
        Replaces the keyword arguments of every target; None keeps each one's own.
    user
        Whose the new job is; None: that of the settings.

    Raises
    ------
    UsageError
        If an override is not ``PATH=VALUE``, or a target has no keyword arguments to replace.
    """
    step = row.steps[targets[0].step]
    more = [dict(zip(("path", "value"), split_word(word), strict=True), is_text=True) for word in config_words]
    return JobRequest.from_json(
        {
            "repo": row.repo,
            "out": row.out,
            "collections": row.collections,
            "with_versions": bool(row.versions),
            "queue": targets[0].queue,
            "user": user,
            "steps": [
                {
                    "task": step.task,
                    "label": "" if step.label == step.task else step.label,
                    "config": [*(_recorded(one) for one in step.overrides), *more],
                    "options": step.options,
                    "targets": [{"args": target.args, "kwargs": _kwargs(target, kwargs)} for target in targets],
                    "targets_run": row.run,
                }
            ],
        }
    )


def _recorded(override: Sequence[Any]) -> dict[str, Any]:
    """Return a recorded override as a request has it: path, value, and the instrument whose map said it."""
    return dict(zip(("path", "value", "origin"), override, strict=False))


def _kwargs(target: TargetRow, kwargs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the kwargs that replace those of a target, which has to have some."""
    if kwargs is not None and not has_kwargs(decode_element(target.args)):
        raise UsageError(
            f"Target {short_id(target.id)} of {target.task} is one element of its runner's own kind and has no keyword "
            "arguments to edit. Replay it as it is, or submit anew.",
            target=str(target.id),
        )
    return kwargs


def _send_the_rest(
    context: ServiceContext,
    app: Celery,
    made: Sequence[JobRow],
    pace: Pace,
    tally: _Tally,
    on_unsent: Callable[[int, str], None] | None,
) -> None:
    """Send what had to wait, as it may leave; whatever stops this, the sweeper sends the rest at the same pace."""
    targets = sum(job.n_targets for job in made)
    deadline = time.monotonic() + pace.left_s + PATIENCE_S
    while pace.slow and tally.sent < targets and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        for job in made:
            try:
                with translate_broker_errors(context.settings):
                    send(context.jobs, app, job=job.id, progress=tally.of_this_job)
            except TransientError as error:
                log.warning("messages_left_to_the_sweeper", job=str(job.id), reason=str(error))
                if on_unsent is not None:
                    on_unsent(tally.sent, str(error))
                return
            tally.next_job()
