"""What a client raises: the request's fault, the moment's, or the server's. Each says what is wrong and the cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "ClientError",
    "LostEventsError",
    "NotFoundError",
    "RefusedError",
    "ServerError",
    "UnavailableError",
    "WrongFileError",
]


class ClientError(Exception):
    """Anything that goes wrong with a request.

    Parameters
    ----------
    text
        What is wrong, for people.
    status
        Status of the answer; None when there was none.
    cure
        What helps.
    faults
        What is wrong with which field: mappings of ``field`` and ``message``.
    problem
        The whole answer, as RFC 9457 has it.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        cure: str = "",
        faults: Sequence[Mapping[str, str]] = (),
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        lines = [text, *(f"  {fault.get('field')}: {fault.get('message')}" for fault in faults if len(faults) > 1)]
        if cure and cure not in text:
            lines.append(cure)
        super().__init__("\n".join(lines))
        self.text = text
        self.status = status
        self.cure = cure
        self.faults = list(faults)
        self.problem = dict(problem or {})


class RefusedError(ClientError):
    """The request is wrong, or not allowed: again it would be refused again."""


class NotFoundError(RefusedError):
    """There is none of that name, or it is not yours."""


class UnavailableError(ClientError):
    """The server, or a service that it needs, is away or busy: later it may succeed."""


class ServerError(ClientError):
    """The server failed on a request that it should have taken."""


class LostEventsError(ClientError):
    """What came after some place is not kept any more."""


class WrongFileError(ClientError):
    """What was fetched is not what was announced: its size, or its SHA-256."""
