"""Jobs are made, or stored until they are begun: by the same request and the same `submit` as everywhere."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from underbutler.api.auth.refusals import ForbiddenError, TooManyError
from underbutler.errors import ConflictError, UnderbutlerError, UsageError
from underbutler.model.identity import new_id, short_id
from underbutler.model.job import Phase
from underbutler.pipe.checking import Identity
from underbutler.pipe.faults import RequestError
from underbutler.pipe.findings import Look
from underbutler.records import NewPending
from underbutler.submission.forecast import Forecast, forecast
from underbutler.submission.preparing import Prepared, look_before, prepare_request
from underbutler.submission.submit import submit
from underbutler.submission.tokens import AccessToken, read_token

from .keys import Repeated, once

if TYPE_CHECKING:
    from underbutler.api.auth.principal import Principal
    from underbutler.pipe.request import JobRequest
    from underbutler.records import JobRow

    from .site import Site

__all__ = ["DryRun", "begin", "create", "dry_run", "own_request", "store"]

START_LEASE_S: Final = 600.0
"""So long nobody else begins a stored request that somebody begins, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a submission would be: its targets, what a look finds, and what it may take."""

    prepared: Prepared
    look: Look
    expected: Forecast


def own_request(who: Principal, request: JobRequest) -> JobRequest:
    """Return a request as somebody may make it: theirs, on repositories that their token is good for.

    Raises
    ------
    ForbiddenError
        If they may not submit, or not there.
    UsageError
        If it names another user.
    """
    who.need("submit")
    if request.user not in {None, who.user} and not who.sees_all:
        raise UsageError(
            f"user: the request is of {request.user!r} and your token of {who.user!r}. Leave user out.", field="user"
        )
    who.need_label(request.repo, "repo")
    who.need_label(request.out or request.repo, "out")
    return request if request.user else request.replaced(user=who.user)


def dry_run(site: Site, who: Principal, request: JobRequest) -> DryRun:
    """Look at everything that a submission looks at; nothing is written.

    Raises
    ------
    UsageError
        If it cannot succeed as written.
    """
    with _prepared(site, who, own_request(who, request), new_id(), _delegated(who)) as prepared:
        return DryRun(
            prepared=prepared,
            look=look_before(prepared),
            expected=forecast(prepared, site.jobs, site.settings),
        )


def create(
    site: Site, who: Principal, request: JobRequest, *, key: str | None = None, check: bool = True
) -> tuple[JobRow, bool]:
    """Make a job.

    Parameters
    ----------
    site, who
        Where, and for whom.
    request
        What is asked for.
    key
        A request that comes again with it is the same one.
    check
        Whether a job is refused of which targets would fail.

    Returns
    -------
    job, made
        The job as recorded, and whether it is new.

    Raises
    ------
    UsageError
        If it cannot succeed as written.
    TransientError
        If a service is away; then nothing exists.
    """
    request = own_request(who, request)
    _refuse_too_many(site, who)
    try:
        with once(site, who, key, request) as job:
            row = _made(site, who, request, job, check=check)
    except Repeated as repeated:
        return repeated.row, False
    except UsageError as error:
        site.jobs.audit.note(who.deed("submit", request.repo, str(error)))
        raise
    site.jobs.audit.note(who.deed("submit", str(row.id)))
    return row, True


def store(site: Site, who: Principal, new: NewPending) -> JobRow:
    """Keep a request as a PENDING job.

    Raises
    ------
    ForbiddenError
        If they may not submit.
    """
    who.need("submit")
    _refuse_too_many(site, who)
    row = site.jobs.pending.create(new)
    site.jobs.audit.note(who.deed("store", str(row.id)))
    return row


def begin(site: Site, who: Principal, row: JobRow, request: JobRequest | UsageError, *, approve: bool) -> JobRow:
    """Begin a stored request: it is understood anew, and becomes a job or ends as ERROR with all that is wrong.

    Parameters
    ----------
    site, who
        Where, and who begins it.
    row
        The PENDING job.
    request
        What its parameters ask for; or why nobody can tell.
    approve
        Whether this is an approval.

    Raises
    ------
    ConflictError
        If it is not PENDING, or begun by somebody else now.
    ForbiddenError
        If it waits for an approval that is not theirs to give.
    TransientError
        If a service is away: it stays PENDING.
    """
    _refuse_unapproved(site, who, row, approve=approve)
    action = "approve" if approve else "begin"
    if not site.jobs.pending.take(row.id, START_LEASE_S, who.user if approve else None):
        raise ConflictError(
            f"Job {short_id(row.id)} is not PENDING, or is being begun now. Look at it again.", job=str(row.id)
        )
    try:
        if isinstance(request, UsageError):
            raise request
        owned = request.replaced(user=row.user)
        made = _made(site, who, owned, row.id, check=True, token=None if approve else _delegated(who))
    except UsageError as error:
        site.jobs.pending.fail(row.id, str(error), _faults(error))
        site.jobs.audit.note(who.deed(action, str(row.id), str(error)))
        return site.jobs.read.job(row.id)
    except BaseException:
        site.jobs.pending.give_back(row.id)
        raise
    site.jobs.audit.note(who.deed(action, str(row.id)))
    return made


def _refuse_unapproved(site: Site, who: Principal, row: JobRow, *, approve: bool) -> None:
    if row.phase is not Phase.PENDING:
        raise ConflictError(
            f"Job {short_id(row.id)} is {row.phase}, and only a PENDING job can be begun.", job=str(row.id)
        )
    if not approve and not row.needs_approval:
        who.need("submit")
        return
    who.need("approve")
    if not row.needs_approval:
        raise ConflictError(f"Job {short_id(row.id)} waits for no approval. Begin it: POST …/start.", job=str(row.id))
    if row.user == who.user and not site.settings.api_self_approval:
        raise ForbiddenError(
            f"Job {short_id(row.id)} is your own: somebody else with the scope 'approve' has to approve it. "
            "(UNDERBUTLER_API_SELF_APPROVAL lets people approve their own.)"
        )


def _made(
    site: Site,
    who: Principal,
    request: JobRequest,
    job: uuid.UUID,
    *,
    check: bool,
    token: AccessToken | None = None,
) -> JobRow:
    token = token or _delegated(who)
    with _prepared(site, who, request, job, token) as prepared:
        if check:
            look_before(prepared).raise_if_failing()
        expected = forecast(prepared, site.jobs, site.settings).seconds
        return submit(prepared, jobs=site.jobs, app=site.app, settings=site.settings, token=token, quote_s=expected)


@contextmanager
def _prepared(
    site: Site, who: Principal, request: JobRequest, job: uuid.UUID, token: AccessToken | None
) -> Iterator[Prepared]:
    who.need_label(request.repo, "repo")
    who.need_label(request.out or request.repo, "out")
    with prepare_request(
        request,
        repositories=site.context.repositories,
        identity=Identity(job),
        access_token=None if token is None else token.secret,
    ) as prepared:
        most = site.settings.api_max_targets
        if len(prepared.targets) > most:
            raise UsageError(
                f"steps[0]: {len(prepared.targets)} targets are more than the {most} that one job may have here. "
                "Submit several jobs, or raise UNDERBUTLER_API_MAX_TARGETS.",
                field="steps[0]",
            )
        yield prepared


def _delegated(who: Principal) -> AccessToken | None:
    return None if who.access_token is None else read_token(who.access_token)


def _refuse_too_many(site: Site, who: Principal) -> None:
    most = site.settings.api_max_open_jobs
    if site.jobs.listing.number_open(who.user) >= most:
        raise TooManyError(
            f"{who.user} has {most} jobs that have not ended, and may not have more. Wait for one, or cancel it.",
            retry_after_s=30,
        )


def _faults(error: UnderbutlerError) -> Sequence[dict[str, Any]]:
    if isinstance(error, RequestError):
        return [{"field": fault.field, "message": fault.message} for fault in error.faults]
    return [{"field": str(error.fields.get("field", "")), "message": str(error)}]
