"""How a target ended that was run here and now: what a table says of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lsst.pipe.base import NoWorkFound

from underbutler.model.dataref import DataId
from underbutler.model.identity import new_id
from underbutler.model.job import TargetState
from underbutler.pipe.binding import name_of, shared_data_id

__all__ = ["TargetEnding", "ending_of", "scalars_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetEnding:
    """A target that was run here.

    Parameters
    ----------
    argsrepr
        Its name: its data ID, or what several references share and how they differ.
    data_id
        What its references share.
    state
        ``done``, ``no_work``, ``failed``; ``aborted`` if the time limit ended it.
    seconds
        How long it took; None if that is not known.
    scalars
        Numbers and texts of the task's metadata.
    error_type, error_text
        Why it failed.
    id
        Tells it from others of this process.
    not_before, waiting_reason
        None: nothing waits here.
    """

    argsrepr: str
    data_id: DataId
    state: TargetState
    seconds: float | None = None
    scalars: Mapping[str, Any] = field(default_factory=dict)
    error_type: str | None = None
    error_text: str | None = None
    not_before: float | None = None
    waiting_reason: str | None = None
    id: uuid.UUID = field(default_factory=new_id)


def ending_of(
    target: Any,
    result: Any = None,
    error: BaseException | None = None,
    seconds: float | None = None,
    scalars: Mapping[str, Any] | None = None,
    *,
    state: TargetState | None = None,
) -> TargetEnding:
    """Return how a target ended.

    Parameters
    ----------
    target
        The element of the target list.
    result
        What the runner returned; its ``exitStatus`` counts.
    error
        What was raised, if anything was.
    seconds, scalars
        As those of `TargetEnding`.
    state
        Default: by result and error.
    """
    status = getattr(result, "exitStatus", 0)
    if state is None:
        no_work = isinstance(error, NoWorkFound) or getattr(result, "noWork", False)
        failed = bool(status) or error is not None
        state = TargetState.NO_WORK if no_work else TargetState.FAILED if failed else TargetState.DONE
    told = error is not None and state in (TargetState.FAILED, TargetState.ABORTED)
    text = str(error) if told else f"exit status {status}" if state is TargetState.FAILED else None
    return TargetEnding(
        argsrepr=name_of(target),
        data_id=shared_data_id(target),
        state=state,
        seconds=seconds,
        scalars=dict(scalars or {}),
        error_type=type(error).__name__ if told else "ExitStatusError" if state is TargetState.FAILED else None,
        error_text=text,
    )


def scalars_of(metadata: Any) -> dict[str, Any]:
    """Return the numbers and texts that a task put into its metadata."""
    scalars = getattr(metadata, "scalars", None) or {}
    return {name: value for name, value in scalars.items() if isinstance(value, int | float | str)}
