"""Answers: values, documents that are streamed, and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from underbutler.catalog.remote.errors import described
from underbutler.catalog.remote.wire_format import JSON_LINES, MSGPACK, VERSION, VERSION_HEADER, json_line, pack
from underbutler.errors import FatalError, UnderbutlerError
from underbutler.telemetry.logs import get_logger

from .error_responses import NotAcceptableError, status_of
from .negotiation import chosen

__all__ = ["JSON", "answer", "answered", "refusal", "streamed"]

Endpoint: TypeAlias = Callable[[Request], Response]

JSON: Final = "application/json"

CHUNK_BYTES: Final = 2**16
"""Documents are sent when they are so many bytes together."""

RETRY_S: Final = 5

_HEADERS: Final = {VERSION_HEADER: str(VERSION), "Vary": "Accept"}

log = get_logger(__name__)


def answered(endpoint: Endpoint) -> Endpoint:
    """Decorate an endpoint: what it raises is answered as an error."""

    @wraps(endpoint)
    def guarded(request: Request) -> Response:
        try:
            return endpoint(request)
        except Exception as error:  # noqa: BLE001 - the edge: the client is told, the log has the rest
            ours = _ours(error)
            return refusal(request, ours, status_of(ours))

    return guarded


def answer(request: Request, value: Any, offered: tuple[str, ...] = (JSON, MSGPACK)) -> Response:
    """Return a value in the form that the client wants.

    Raises
    ------
    NotAcceptableError
        If it takes none of those that there are.
    """
    media_type = chosen(request.headers.get("accept"), offered)
    content = pack(value) if media_type == MSGPACK else json_line(value)
    return Response(content, media_type=media_type, headers=_HEADERS)


def refusal(request: Request, error: UnderbutlerError, status: int) -> Response:
    """Return an error in the form that the client wants; in JSON if it wants none of ours."""
    try:
        media_type = chosen(request.headers.get("accept"), (JSON, MSGPACK))
    except NotAcceptableError:
        media_type = JSON
    said = {"error": described(error)}
    content = pack(said) if media_type == MSGPACK else json_line(said)
    headers = _HEADERS | ({"Retry-After": str(RETRY_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {})
    return Response(content, status, media_type=media_type, headers=headers)


def streamed(request: Request, pairs: Iterable[tuple[str, Any]], *, arrays: bool) -> Response:
    """Return pairs of names and documents in the form that the client wants, sent while they are read.

    An error on the way is the last pair, ``["error", …]``: the status was said before.

    Parameters
    ----------
    request
        Whose answer it is.
    pairs
        Read as far as is sent.
    arrays
        Whether documents hold arrays, which are not sent as JSON.

    Raises
    ------
    NotAcceptableError
        If the client takes none of the forms.
    """
    media_type = chosen(request.headers.get("accept"), (MSGPACK,) if arrays else (JSON_LINES, MSGPACK))
    encode = pack if media_type == MSGPACK else json_line
    return StreamingResponse(_chunks(pairs, encode), media_type=media_type, headers=_HEADERS)


def _chunks(pairs: Iterable[tuple[str, Any]], encode: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Yield encoded pairs, small ones together; the first alone, so that the client sees that there is an answer."""
    waiting: list[bytes] = []
    size, enough = 0, 1
    try:
        for pair in pairs:
            waiting.append(encode(pair))
            size += len(waiting[-1])
            if size >= enough:
                yield b"".join(waiting)
                waiting.clear()
                size, enough = 0, CHUNK_BYTES
    except Exception as error:  # noqa: BLE001 - the edge: the client is told, the log has the rest
        waiting.append(encode(("error", described(_ours(error)))))
    yield b"".join(waiting)


def _ours(error: Exception) -> UnderbutlerError:
    """Return an error of the family; of another one, that something is wrong here."""
    if isinstance(error, UnderbutlerError):
        if isinstance(error, FatalError):
            log.error("api_request_failed", exc_info=error)
        return error
    log.error("api_request_failed", exc_info=error)
    return FatalError(f"The server failed on this request ({type(error).__name__}). It is not the request's fault.")
