"""Jobs that exist are cancelled, destroyed, or run again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from underbutler.errors import ConflictError, UnknownNameError, UsageError
from underbutler.model.identity import new_id, short_id
from underbutler.model.job import Phase, TargetState
from underbutler.pipe.checking import Identity
from underbutler.submission.preparing import look_before, prepare_request
from underbutler.submission.submit import submit
from underbutler.submission.tokens import read_token
from underbutler.sweeper.resubmission import request_again, run_again

if TYPE_CHECKING:
    from underbutler.api.auth.principal import Principal
    from underbutler.records import JobRow, TargetRow

    from .site import Site

__all__ = ["BADLY_ENDED", "Choice", "cancel", "destroy", "rerun", "retry"]

BADLY_ENDED: Final = (TargetState.FAILED, TargetState.HELD, TargetState.ABORTED)
"""States of what a recovery runs: what failed, and what never ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which targets of a job run again, and with what.

    Parameters
    ----------
    states
        Those in these states.
    targets
        Of them only these; None: all.
    step
        Of them only those of the step of this label; None: of all.
    config
        Overrides ``PATH=VALUE``, after those of the job.
    check
        Whether a job is refused of which targets would fail.
    """

    states: Sequence[TargetState] = BADLY_ENDED
    targets: Sequence[uuid.UUID] | None = None
    step: str | None = None
    config: Sequence[str] = ()
    check: bool = True


def cancel(site: Site, who: Principal, row: JobRow) -> JobRow:
    """Abort what is open of a job.

    Raises
    ------
    ForbiddenError
        If they may not change jobs.
    ConflictError
        If it has ended.
    """
    who.need("submit")
    if row.phase.ended:
        raise ConflictError(f"Job {short_id(row.id)} is {row.phase}: there is nothing to cancel.", job=str(row.id))
    site.jobs.cancellation.cancel(row.id)
    site.jobs.audit.note(who.deed("cancel", str(row.id)))
    return site.jobs.read.job(row.id)


def destroy(site: Site, who: Principal, row: JobRow) -> None:
    """End a job and its rows, now or as soon as nothing of it has to be kept: no dataset, and no object.

    Raises
    ------
    ForbiddenError
        If they may not change jobs.
    """
    who.need("submit")
    if row.phase is Phase.ARCHIVED:
        return
    if not row.phase.ended:
        site.jobs.cancellation.cancel(row.id)
    site.jobs.lifetimes.set_destruction(row.id, site.jobs.now())
    site.jobs.lifetimes.destroy(row.id)
    site.jobs.audit.note(who.deed("destroy", str(row.id)))


def retry(site: Site, who: Principal, row: JobRow, choice: Choice) -> JobRow:
    """Run targets of a job again, each once: as a new job, linked to the old one.

    Raises
    ------
    UsageError
        If there is none to run, or it cannot succeed.
    """
    who.need("submit")
    chosen = [target for target in _chosen(site, row, choice) if target.replayed_as is None]
    if not chosen:
        raise UsageError(
            f"Job {short_id(row.id)} ({row.phase}) has no target of this choice that was not run again already. Ask "
            f"GET /v1/jobs/{row.id}/targets.",
            field="states",
        )
    token = None if who.access_token is None else read_token(who.access_token)
    (again,) = run_again(
        site.context, site.app, chosen, config_words=choice.config, check=choice.check, token=token, user=who.user
    )
    site.jobs.audit.note(who.deed("retry", str(again.id), f"of {row.id}"))
    return again


def rerun(site: Site, who: Principal, row: JobRow, choice: Choice) -> JobRow:
    """Run all targets of a step again with a changed config: as a new job; the old one stays as it is.

    Raises
    ------
    UsageError
        If it has not ended, or cannot succeed.
    """
    who.need("submit")
    if not row.phase.ended:
        raise ConflictError(f"Job {short_id(row.id)} is {row.phase}. Wait for its end, or cancel it.", job=str(row.id))
    chosen = _chosen(site, row, choice)
    if not chosen:
        raise UsageError(f"Job {short_id(row.id)} has no targets to run again.", field="step")
    request = request_again(row, chosen, config_words=choice.config, user=who.user)
    token = None if who.access_token is None else read_token(who.access_token)
    with prepare_request(
        request,
        repositories=site.context.repositories,
        identity=Identity(new_id()),
        access_token=None if token is None else token.secret,
    ) as prepared:
        if choice.check:
            look_before(prepared).raise_if_failing()
        again = submit(prepared, jobs=site.jobs, app=site.app, settings=site.settings, parent=row.id, token=token)
    site.jobs.audit.note(who.deed("rerun", str(again.id), f"of {row.id}"))
    return again


def _chosen(site: Site, row: JobRow, choice: Choice) -> list[TargetRow]:
    open_ones = [state for state in choice.states if not state.ended]
    if open_ones:
        raise UsageError(f"states: a target that is {open_ones[0]} has not ended.", field="states")
    found = site.jobs.read.targets(row.id, states=choice.states)
    if choice.step is not None:
        ordinals = {step.label: step.ordinal for step in row.steps}
        if choice.step not in ordinals:
            raise UnknownNameError.of(f"step of job {short_id(row.id)}", choice.step, ordinals)
        found = [target for target in found if target.step == ordinals[choice.step]]
    if choice.targets is not None:
        wanted = set(choice.targets)
        found = [target for target in found if target.id in wanted]
        if missing := wanted.difference(target.id for target in found):
            raise UsageError(
                f"targets: {min(missing)} is not a target of job {short_id(row.id)} in these states.", field="targets"
            )
    return found
