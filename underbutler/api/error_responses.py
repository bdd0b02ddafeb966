"""Requests that are refused, and the status that an error is answered with."""

from __future__ import annotations

from http import HTTPStatus

from underbutler.catalog import DataGoneError
from underbutler.errors import LostDatasetError, TransientError, UnderbutlerError, UsageError

__all__ = ["BusyError", "NoSuchPlaceError", "NotAcceptableError", "ParameterError", "status_of"]


class ParameterError(UsageError, ValueError):
    """A query parameter is not known, or its value is none."""


class NotAcceptableError(UsageError):
    """What is asked cannot be sent in a form that the client takes."""


class BusyError(TransientError):
    """The server has too much to do."""


class NoSuchPlaceError(UsageError, LookupError):
    """Nothing is served at this path."""


def status_of(error: UnderbutlerError) -> HTTPStatus:
    """Return the status that tells a client what kind of error it was."""
    if isinstance(error, NotAcceptableError):
        return HTTPStatus.NOT_ACCEPTABLE
    if isinstance(error, DataGoneError | LostDatasetError):
        return HTTPStatus.GONE
    if isinstance(error, UsageError):
        return HTTPStatus.NOT_FOUND if isinstance(error, LookupError) else HTTPStatus.BAD_REQUEST
    if isinstance(error, TransientError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR
