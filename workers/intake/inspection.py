"""What a worker does with a message that it cannot run: looked at in full before Celery sees it, parked or let wait.

Celery drops some malformed messages, and others end its worker. Nothing here raises for what a message holds.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from underbutler.errors import MessageError
from underbutler.model.dataref import READABLE_VERSIONS
from underbutler.model.message import HEADER, SIZE_LIMIT_BYTES, Envelope, decode_element, digest_of
from workers.transport.scripts import POISON_HEADER, POISON_TYPE

__all__ = ["Park", "Wait", "headers_of", "judged", "raw_bytes"]

LARGEST_BYTES = 2 * SIZE_LIMIT_BYTES
"""Of a body: its arguments, and what Celery writes beside them; any letter may be written as an escape."""

SUBMIT = "Submit with `underbutler submit`."
NOT_ASKED = {
    "eta": "a time before which it does not start (eta, countdown)",
    "expires": "a time after which it is dropped (expires)",
    "retries": "a count of Celery's own retries",
    "group": "membership of a Celery group",
    "timelimit": "time limits of its own",
}
"""Celery headers that a target's message leaves empty, and what they ask for."""
NOT_EMBEDDED = {
    "callbacks": "a task to call when it is done (link)",
    "errbacks": "a task to call when it has failed (link_error)",
    "chain": "a chain",
    "chord": "a chord",
}


@dataclass(frozen=True, slots=True)
class Park:
    """Nobody can run it: its bytes are kept in the quarantine.

    Parameters
    ----------
    kind
        What is wrong, for programs: ``undecodable``, ``foreign``, ``header``, ``arguments``, ``workflow``, ``digest``.
    reason
        The same for people.
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Another worker may run it, though this one cannot: its target waits.

    Parameters
    ----------
    target, digest, send_no
        As in our header.
    reason
        Why, for people.
    for_good
        Nobody can run it: its target is held at once. Only parked, its message would be sent again for ever.
    """

    target: uuid.UUID
    digest: str
    send_no: int
    reason: str
    for_good: bool = False


class _SetAsideError(Exception):
    """The message cannot be run; carries what is to be done with it."""

    def __init__(self, verdict: Park | Wait) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


def judged(message: Any, known: Mapping[str, Any]) -> Park | Wait | None:
    """Return what is to be done with a message that cannot be run, or None for one that Celery may have.

    Parameters
    ----------
    message
        As kombu decoded it.
    known
        The app's tasks, by name. A task with a true ``takes_any_message`` gets whatever Celery can decode.
    """
    try:
        _look_at(message, known)
    except _SetAsideError as aside:
        return aside.verdict
    except Exception as error:  # noqa: BLE001 - a message of whatever kind must not end the worker
        return Park("undecodable", f"The message does not decode: {type(error).__name__}: {error}. {SUBMIT}")
    return None


def _look_at(message: Any, known: Mapping[str, Any]) -> None:
    headers = message.headers
    if message.content_type == POISON_TYPE:
        _park("undecodable", f"This item of the queue is not a message: {headers.get(POISON_HEADER)}.")
    name = headers.get("task")
    if not isinstance(name, str):
        _park("foreign", "The message names no Celery task: Underbutler did not send it.")
    if headers.get("compression"):
        _park("undecodable", f"The message for {name!r} is compressed, which none of ours is: it is not inflated.")
    size = len(message.body or b"")
    if size > LARGEST_BYTES:
        _park("arguments", f"The body of the message for {name!r} has {size} bytes; {LARGEST_BYTES} are the most.")
    match message.decode():
        case [list() as args, dict() as kwargs, dict() | None as embedded]:
            pass
        case _:
            _park("arguments", f"The body of the message for {name!r} is not [args, kwargs, embed].")
    if getattr(known.get(name), "takes_any_message", False):
        return
    if headers.get(HEADER) is None:
        _park("foreign", f"The message for {name!r} has no {HEADER!r} header: Underbutler did not send it.")
    asked = [words for key, words in NOT_ASKED.items() if _is_set(headers.get(key))]
    asked += [words for key, words in NOT_EMBEDDED.items() if (embedded or {}).get(key)]
    if asked:
        _park("workflow", f"The message for {name!r} asks for {' and '.join(asked)}, which a target cannot have.")
    _look_at_ours(name, args, kwargs, headers, known)


def _look_at_ours(
    name: str, args: list[Any], kwargs: dict[str, Any], headers: Mapping[str, Any], known: Mapping[str, Any]
) -> None:
    header = headers[HEADER]
    try:
        envelope = Envelope.from_json(header)
    except MessageError as error:
        raise _SetAsideError(_of_another_version(header, str(error)) or Park("header", str(error))) from error
    if headers.get("id") != envelope.task_id:
        _park("header", f"The message's Celery id {headers.get('id')!r} is not that of its target.")
    if name not in known:
        words = f"no task is called {name!r} on this worker; install the package that brings it on all workers"
        raise _SetAsideError(_wait(envelope, words))
    if kwargs:
        _park("arguments", f"The message for {name!r} has Celery kwargs ({', '.join(kwargs)}); a target has none.")
    unreadable = None
    try:
        decode_element(args)
    except MessageError as error:
        unreadable = str(error)
        if "version" in error.fields and error.fields["version"] not in READABLE_VERSIONS:
            raise _SetAsideError(_wait(envelope, unreadable)) from error
    if digest_of(name, tuple(args), envelope.config) != envelope.digest:
        words = f" {unreadable}" if unreadable else ""
        _park("digest", f"The message for {name!r} was changed on its way: its digest is that of another.{words}")
    if unreadable:
        raise _SetAsideError(_wait(envelope, unreadable, for_good=True))


def _park(kind: str, reason: str) -> NoReturn:
    raise _SetAsideError(Park(kind, f"{reason} {SUBMIT}"))


def _wait(envelope: Envelope, reason: str, *, for_good: bool = False) -> Wait:
    return Wait(envelope.target, envelope.digest, envelope.send_no, reason, for_good)


def _of_another_version(header: Any, reason: str) -> Wait | None:
    """Return what a newer submitter's header says in any version: which target and sending it is."""
    match header:
        case {"v": version, "target": str() as target, "digest": str() as digest, "send_no": int() as send_no}:
            if version not in READABLE_VERSIONS:
                try:
                    return Wait(uuid.UUID(target), digest, send_no, reason)
                except ValueError:
                    return None
    return None


def _is_set(value: Any) -> bool:
    return any(value) if isinstance(value, list | tuple) else bool(value)


def raw_bytes(message: Any) -> bytes:
    """Return the bytes that are kept: the body; of an item that is not a message, the item."""
    body = message.body or b""
    body = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    if message.content_type == POISON_TYPE:
        try:
            return bytes.fromhex(body.decode())
        except ValueError:
            return body
    return body


def headers_of(message: Any) -> dict[str, Any]:
    """Return the headers as JSON that any database takes, without what the transport wrote there."""
    text = json.dumps(message.headers, default=repr, skipkeys=True)
    headers: dict[str, Any] = json.loads(text.replace("\\u0000", ""), parse_constant=str)
    headers.pop("redelivered", None)
    return headers
