"""Celery's revoke is our cancel: ``celery control revoke`` and Flower's buttons cancel one target in the records.

Nothing enters Celery's own set of revoked ids: a worker that forgets it, or starts later, would run the target, and one
that remembers it would drop a message whose target nobody has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker import control

from underbutler.telemetry.logs import get_logger
from workers.keeper import link as keeper_link

__all__ = ["connect"]

log = get_logger(__name__)


def connect() -> None:
    """Put our commands into the place of Celery's."""
    control.control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(revoke)
    control.control_command(
        name="terminate",
        variadic="task_id",
        args=[("signal", str)],
        signature="<signal> [id1 [id2 [... [idN]]]]",
    )(terminate)
    control.control_command(
        name="revoke_by_stamped_headers",
        variadic="headers",
        signature="[key1=value1 [key2=value2 [... [keyN=valueN]]]]",
    )(revoke_by_stamped_headers)


def revoke(_state: Any, task_id: str | list[str], **_options: Any) -> dict[str, str]:
    """Cancel targets by their task ids; what runs is ended within seconds."""
    link = keeper_link.current()
    if link is None:
        return {"error": "this worker has no keeper; use `underbutler cancel`"}
    ours, others = _targets(maybe_list(task_id) or [])
    for target in ours:
        link.revoked(target)
    log.info("revoke_is_cancel", targets=[str(target) for target in ours], unknown=others)
    if others:
        return {"error": f"no targets of ours: {', '.join(others)}; a task id is TARGET.NUMBER"}
    return {"ok": f"targets cancelled: {', '.join(str(target) for target in ours)}"}


def terminate(state: Any, signal: str, task_id: str | list[str], **_options: Any) -> dict[str, str]:  # noqa: ARG001
    """Cancel targets by their task ids: as revoke, whatever the signal."""
    return revoke(state, task_id)


def revoke_by_stamped_headers(_state: Any, headers: Any, **_options: Any) -> dict[str, str]:  # noqa: ARG001
    """Refuse: our messages have no stamps."""
    return {"error": "targets have no stamped headers; revoke them by task id, or use `underbutler cancel JOB`"}


def _targets(ids: Iterable[str]) -> tuple[list[uuid.UUID], list[str]]:
    """Return the targets that task ids name, and the ids that name none."""
    ours: dict[uuid.UUID, None] = {}
    others: list[str] = []
    for one in ids:
        try:
            ours[uuid.UUID(str(one).partition(".")[0])] = None
        except ValueError:
            others.append(str(one))
    return list(ours), others
