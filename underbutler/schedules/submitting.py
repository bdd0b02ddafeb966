"""A firing becomes a job: the words of a command for its observing day, then what every submission does.

The job's identity and the name of its RUN follow from the firing. So one that is done a second time, because nobody
knows how far the first came, finds the job, or makes the same one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.broker import make_app
from underbutler.context import WorkerContext
from underbutler.errors import ConflictError, TransientError, UsageError
from underbutler.records import FiringRow, FiringState

from .entries import Definition
from .looking import a_later_exposure

if TYPE_CHECKING:
    from underbutler.preparing import Prepared

__all__ = ["command_file", "command_words", "day_of_firing", "submit_firing"]

NEW_SINCE_S = 2 * 86_400.0
"""With ``only_new``: an observing day ends within so many seconds of its first firing."""


def submit_firing(context: WorkerContext, firing: FiringRow, definition: Definition) -> tuple[FiringState, str | None]:
    """Submit what a firing is for; return what became of it, and what there is to say.

    Raises
    ------
    UsageError
        If it cannot succeed as written.
    TransientError
        If a service is away.
    """
    if (row := context.jobs.job_if_any(firing.job_id)) is not None:
        return FiringState.DONE, _told(row.n_targets)
    if (later := a_later_exposure(context, firing, definition)) is not None:
        return FiringState.SKIPPED, later
    day = day_of_firing(firing, definition)
    try:
        return _submit(context, firing, definition, day)
    except ConflictError as error:
        if (row := context.jobs.job_if_any(firing.job_id)) is not None:  # another process was quicker
            return FiringState.DONE, _told(row.n_targets)
        raise TransientError(str(error)) from error


def _submit(
    context: WorkerContext, firing: FiringRow, definition: Definition, day: int
) -> tuple[FiringState, str | None]:
    from underbutler.submit import prepare, submit

    with (
        command_file(definition.config) as config,
        prepare(
            definition.task or "",
            command_words(definition, day, config),
            repositories=context.repositories,
            user=definition.who or context.settings.user,
            job=firing.job_id,
            run_stamp=datetime.fromtimestamp(firing.due_at, UTC).strftime("%Y%m%dT%H%M%SZ"),
        ) as understood,
    ):
        found = len(understood.targets)
        prepared = _only_new(context, firing, understood) if definition.only_new else understood
        if not prepared.targets:
            return FiringState.EMPTY, f"nothing new among {found}" if found else f"no data of day_obs {day}"
        row = submit(
            prepared,
            jobs=context.jobs,
            app=make_app(context.settings, "beat"),
            settings=context.settings,
            lifetime_s=definition.lifetime,
        )
    return FiringState.DONE, _told(row.n_targets)


def day_of_firing(firing: FiringRow, definition: Definition) -> int:
    """Return the observing day ``yyyymmdd`` of a firing: that of its slot, or of the exposure that it follows."""
    from astropy.time import Time

    from underbutler.clock import observing_day

    return observing_day(Time(firing.due_at - (definition.when.after_last_exposure or 0), format="unix"))


def command_words(definition: Definition, day: int, config: Path | None = None) -> list[str]:
    """Return the words of the command that an entry stands for, without the task.

    Parameters
    ----------
    definition
        The entry.
    day
        The observing day.
    config
        TOML file with its config overrides.
    """
    words = [definition.repo or ""]
    for argument, given in {"id": definition.id, **definition.ids}.items():
        if given:
            words += [f"--{argument}", *(f"{key}={_id_text(key, value, day)}" for key, value in given.items())]
    for option, text in (("-d", definition.query), ("-o", definition.run), ("--out", definition.out)):
        if text is not None:
            words += [option, text.replace("{day_obs}", str(day))]
    if definition.collections:
        words += ["--collections", ",".join(definition.collections)]
    if config is not None:
        words += ["-C", str(config)]
    return [*words, "--allow-empty", *(word.replace("{day_obs}", str(day)) for word in definition.options)]


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


def _only_new(context: WorkerContext, firing: FiringRow, prepared: Prepared) -> Prepared:
    """Leave out what earlier firings of the same entry have submitted."""
    known = context.jobs.submitted_data_ids(firing.schedule_id, firing.due_at - NEW_SINCE_S)
    before = {json.dumps(data_id, sort_keys=True) for data_id in known}
    new = tuple(one for one in prepared.targets if json.dumps(dict(one.data_id), sort_keys=True) not in before)
    return replace(prepared, targets=new)


@contextmanager
def command_file(config: Mapping[str, Any]) -> Iterator[Path | None]:
    """Write config overrides into a TOML file, and remove it after; no error text names it."""
    if not config:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="underbutler-schedule-") as folder:
        path = Path(folder) / "overrides.toml"
        path.write_text("".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in config.items()))
        try:
            yield path
        except UsageError as error:
            error.message = error.message.replace(f"In {path}: ", "").replace(f"-C {path}", "config")
            raise


def _toml(value: Any) -> str:
    """Return a value that came out of TOML as TOML: strings are written alike there and in JSON."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _told(targets: int) -> str:
    return f"{targets} {'target' if targets == 1 else 'targets'}"
