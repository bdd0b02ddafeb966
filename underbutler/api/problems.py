"""Errors as answers: which status, and ``application/problem+json`` that names the field and the cure."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from underbutler.catalog.remote.errors import described
from underbutler.errors import (
    ConflictError,
    FatalError,
    LostDatasetError,
    TransientError,
    UnderbutlerError,
    UnknownNameError,
    UsageError,
)
from underbutler.pipe.faults import RequestError
from underbutler.pipe.findings import FindingsError
from underbutler.telemetry.logs import get_logger

from .auth.refusals import ForbiddenError, TooManyError, UnauthorizedError

__all__ = ["PROBLEM", "as_ours", "headers_of", "problem", "problem_of", "status_of"]

log = get_logger(__name__)

PROBLEM: Final = "application/problem+json"

_STATUSES: Final[tuple[tuple[type[UnderbutlerError], HTTPStatus], ...]] = (
    (UnauthorizedError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (TooManyError, HTTPStatus.TOO_MANY_REQUESTS),
    (ConflictError, HTTPStatus.CONFLICT),
    (LostDatasetError, HTTPStatus.GONE),
    (RequestError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnknownNameError, HTTPStatus.NOT_FOUND),
    (UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (TransientError, HTTPStatus.SERVICE_UNAVAILABLE),
)
RETRY_S: Final = 5
_OF_FINDINGS: Final = "Do what each finding says; or add ?check=false, and the job is made all the same."


def status_of(error: UnderbutlerError) -> HTTPStatus:
    """Return the status that an error is answered with."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def headers_of(error: UnderbutlerError) -> dict[str, str]:
    """Return the headers that belong to the answer of an error."""
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="underbutler"'}
    if isinstance(error, TransientError):
        return {"Retry-After": str(error.fields.get("retry_after_s", RETRY_S))}
    return {}


def as_ours(error: Exception) -> UnderbutlerError:
    """Return an error of the family; of another one, that something is wrong here, which the log tells."""
    if isinstance(error, UnderbutlerError):
        if isinstance(error, FatalError):
            log.error("api_request_failed", exc_info=error)
        return error
    if isinstance(error, RequestValidationError):
        faults = [{"field": _field(one["loc"]), "message": str(one["msg"])} for one in error.errors()]
        said = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        return UsageError(said, faults=faults, cure="Correct what is named, and send the request again.")
    log.error("api_request_failed", exc_info=error)
    return FatalError(f"The server failed on this request ({type(error).__name__}). It is not the request's fault.")


def problem_of(error: Exception) -> JSONResponse:
    """Return the answer of an error."""
    if isinstance(error, HTTPException):
        return problem(error.status_code, str(error.detail), headers=error.headers)
    ours = as_ours(error)
    said = described(ours)
    more: dict[str, Any] = {"kind": said["kind"], "error": said["type"], "cure": said["cure"]}
    faults = ours.fields.get("faults")
    if isinstance(faults, list):
        more["faults"] = faults
    elif "field" in ours.fields:
        more["faults"] = [{"field": str(ours.fields["field"]), "message": said["text"]}]
    if isinstance(ours, FindingsError):
        more |= {"findings": ours.fields["findings"], "words": ours.fields["words"], "cure": _OF_FINDINGS}
    return problem(status_of(ours), said["text"], headers=headers_of(ours), **more)


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return an answer of RFC 9457."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail, **more}
    return JSONResponse(body, int(status), headers=dict(headers or {}), media_type=PROBLEM)


async def answer_with_problem(_request: Request, error: Exception) -> JSONResponse:
    """Answer an error: the handler of an application."""
    return problem_of(error)


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(str(one) for one in place if one not in {"query", "body", "path", "header"})
