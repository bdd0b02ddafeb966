"""Requests that are refused because of who asks."""

from __future__ import annotations

from underbutler.errors import TransientError, UsageError

__all__ = ["ForbiddenError", "TooManyError", "UnauthorizedError", "UnknownHostError"]


class UnauthorizedError(UsageError):
    """Nobody knows who asks."""


class ForbiddenError(UsageError):
    """Who asks may not do that."""


class UnknownHostError(UsageError):
    """The request is for another server, or comes from another site's page."""


class TooManyError(TransientError):
    """Who asks has asked too often."""
