"""What a client says, as the service reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from .documents import Job

__all__ = ["path_of", "request_of", "word_of"]


def request_of(
    task: str,
    repo: str,
    ids: Sequence[str] | str,
    where: str | None,
    config: Mapping[str, Any] | Sequence[str],
    tags: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return a ``JobRequest`` of one task, of what its words say."""
    words = [ids] if isinstance(ids, str) else list(ids)
    step: dict[str, Any] = {"task": task}
    if words:
        step["ids"] = {"id": [word.split() for word in words]}
    if where:
        step["where"] = where
    if isinstance(config, Mapping):
        step["config"] = [{"path": path, "value": value} for path, value in config.items()]
    else:
        texts = (word.partition("=") for word in config)
        step["config"] = [{"path": path, "value": text, "is_text": True} for path, _, text in texts]
    return {"repo": repo, "steps": [step]} | ({"tags": dict(tags)} if tags else {})


def path_of(job: Job | UUID | str) -> str:
    """Return where a job is."""
    return f"/v1/jobs/{job.id if isinstance(job, Job) else job}"


def word_of(value: bool) -> str:
    """Return a truth value as queries have it."""
    return "true" if value else "false"
