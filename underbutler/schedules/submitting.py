"""A firing becomes a job: a request for its observing day, then what every submission does.

The job's identity and the name of its RUN follow from the firing. So one that is done a second time, because nobody
knows how far the first came, finds the job, or makes the same one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import ConflictError, TransientError
from underbutler.records import FiringRow, FiringState
from underbutler.telemetry.logs import get_logger
from underbutler.wording import counted

from .entries import Definition
from .last_exposure import a_later_exposure

if TYPE_CHECKING:
    from underbutler.pipe.request import JobRequest
    from underbutler.submission.preparing import Prepared

__all__ = ["day_of_firing", "request_of", "submit_firing"]

log = get_logger(__name__)

NEW_SINCE_S = 2 * 86_400.0
"""With ``only_new``: an observing day ends within so many seconds of its first firing."""


def submit_firing(context: ServiceContext, firing: FiringRow, definition: Definition) -> tuple[FiringState, str | None]:
    """Submit what a firing is for; return what became of it, and what there is to say.

    Raises
    ------
    UsageError
        If it cannot succeed as written.
    TransientError
        If a service is away.
    """
    if (row := context.jobs.read.job_if_any(firing.job_id)) is not None:
        return FiringState.DONE, _told(row.n_targets)
    if (later := a_later_exposure(context, firing, definition)) is not None:
        return FiringState.SKIPPED, later
    day = day_of_firing(firing, definition)
    try:
        return _submit(context, firing, definition, day)
    except ConflictError as error:
        if (row := context.jobs.read.job_if_any(firing.job_id)) is not None:  # another process was quicker
            return FiringState.DONE, _told(row.n_targets)
        raise TransientError(str(error)) from error


def _submit(
    context: ServiceContext, firing: FiringRow, definition: Definition, day: int
) -> tuple[FiringState, str | None]:
    from underbutler.pipe.checking import Identity
    from underbutler.submission.preparing import prepare_request
    from underbutler.submission.submit import submit

    stamp = datetime.fromtimestamp(firing.due_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    with prepare_request(
        request_of(definition, day), repositories=context.repositories, identity=Identity(firing.job_id, stamp)
    ) as understood:
        found = len(understood.targets)
        prepared = _only_new(context, firing, understood) if definition.only_new else understood
        if not prepared.targets:
            return FiringState.EMPTY, f"nothing new among {found}" if found else f"no data of day_obs {day}"
        would_fail = _would_fail(prepared)
        row = submit(
            prepared,
            jobs=context.jobs,
            app=make_app(context.settings, "beat"),
            settings=context.settings,
        )
    return FiringState.DONE, _told(row.n_targets) + would_fail


def day_of_firing(firing: FiringRow, definition: Definition) -> int:
    """Return the observing day ``yyyymmdd`` of a firing: that of its slot, or of the exposure that it follows."""
    from astropy.time import Time

    from underbutler.clock import observing_day

    return observing_day(Time(firing.due_at - (definition.when.after_last_exposure or 0), format="unix"))


def request_of(definition: Definition, day: int) -> JobRequest:
    """Return what an entry asks for.

    Parameters
    ----------
    definition
        The entry.
    day
        The observing day.

    Raises
    ------
    UsageError
        If the words of its `options` cannot be read.
    """
    from underbutler.pipe import load_task
    from underbutler.pipe.config.overrides import table_items

    def filled(text: str | None) -> str | None:
        return None if text is None else text.replace("{day_obs}", str(day))

    task = definition.task or ""
    words = [definition.repo or "", *(word.replace("{day_obs}", str(day)) for word in definition.options)]
    said = load_task(task)._makeArgumentParser().read(words, task=task).request
    step = said.steps[0]
    return said.replaced(
        out=said.out or filled(definition.out),
        run=said.run or filled(definition.run),
        collections=said.collections or definition.collections or None,
        allow_empty=True,
        user=definition.who,
        lifetime_s=definition.lifetime,
        steps=[
            {
                "task": task,
                "config": [{"path": path, "value": value} for path, value in table_items(definition.config)]
                + list(step.config),
                "ids": _ids(definition, step.ids, day),
                "where": step.where or filled(definition.query) or "",
                "options": step.options,
            }
        ],
    )


def _ids(definition: Definition, more: Mapping[str, Any], day: int) -> dict[str, Any]:
    """Return the expressions of each id argument: the entry's, then those of its options."""
    own = {name: given for name, given in {"id": definition.id, **definition.ids}.items() if given}
    words = {
        name: [[f"{key}={_id_text(key, value, day)}" for key, value in given.items()]] for name, given in own.items()
    }
    return {name: [*words.get(name, []), *more.get(name, [])] for name in {**words, **more}}


def _id_text(key: str, value: Any, day: int) -> str:
    values = value if isinstance(value, list) else [value]
    return "^".join(str(_day(one, day) if key == "day_obs" else one) for one in values)


def _day(value: int | str, day: int) -> int:
    """Return an observing day that is given relative to another."""
    number = {"today": 0, "yesterday": -1}.get(value) if isinstance(value, str) else value
    assert number is not None
    if number > 0:
        return number
    then = date(day // 10_000, day // 100 % 100, day % 100) + timedelta(days=number)
    return then.year * 10_000 + then.month * 100 + then.day


def _only_new(context: ServiceContext, firing: FiringRow, prepared: Prepared) -> Prepared:
    """Leave out what earlier firings of the same entry have submitted."""
    known = context.jobs.firings.submitted_data_ids(firing.schedule_id, firing.due_at - NEW_SINCE_S)
    before = {json.dumps(data_id, sort_keys=True) for data_id in known}
    new = tuple(one for one in prepared.targets if json.dumps(dict(one.data_id), sort_keys=True) not in before)
    kept = {target.id for target in new}
    elements = tuple(one for one, target in zip(prepared.elements, prepared.targets, strict=True) if target.id in kept)
    return replace(prepared, targets=new, elements=elements)


def _would_fail(prepared: Prepared) -> str:
    """Return what is known to stand in the way of some targets: nobody is there to ask, so the others are not kept."""
    from underbutler.submission.preparing import look_before

    refusals = look_before(prepared).refusals
    for finding in refusals:
        log.warning("target_would_fail", task=prepared.task, targets=len(finding.targets), reason=str(finding))
    return "".join(f"; would fail: {finding}" for finding in refusals)


def _told(targets: int) -> str:
    return counted(targets, "target")
