"""The error family: three fates, and a cure in every text.

Everything that Underbutler raises on purpose is one of these; foreign exceptions are translated once, at the edge, with
``from``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AccessRefusedError",
    "AnnexRefusesError",
    "AnnexUnavailableError",
    "BrokerRefusesError",
    "BrokerUnavailableError",
    "ConflictError",
    "FatalError",
    "FencedOutError",
    "IntegrityError",
    "LostDatasetError",
    "MessageError",
    "RecordsUnavailableError",
    "TokenExpiredError",
    "TransientError",
    "UnderbutlerError",
    "UnknownNameError",
    "UsageError",
    "exit_code",
    "suggest",
]


class UnderbutlerError(Exception):
    """Base of all our errors. Its docstring's first line is the default text."""

    def __init__(self, message: str | None = None, **fields: object) -> None:
        if message is None:
            message = (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        super().__init__(message)
        self.message = message
        self.fields = fields
        """What the text speaks of, by name, for logs and machine output."""

    def __str__(self) -> str:
        return self.message


class UsageError(UnderbutlerError):
    """It can never succeed as written: correct it and submit again. Never retried; exit code 2."""


class TransientError(UnderbutlerError):
    """A service was away: the same call may succeed later. Retried with backoff; exit code 3."""


class FatalError(UnderbutlerError):
    """Something that we promised does not hold. Never retried, alarmed; exit code 4."""


class AccessRefusedError(UnderbutlerError):
    """A service answers, and refuses who we say we are: correct what it was told. Exit code 2.

    Workers try again all the same: whoever runs the service may cure it there.
    """


class UnknownNameError(UsageError, KeyError):
    """A name is not known."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], cure: str = "") -> UnknownNameError:
        """Build the text ``No task is called 'x'. Did you mean 'y'? Known: ….``.

        Parameters
        ----------
        kind
            What the name should have named, e.g. ``task``.
        name
            The name that was given.
        known
            The names that exist.
        cure
            A closing sentence that says what to do.
        """
        names = sorted(known)
        text = f"No {kind} is called {name!r}.{suggest(name, names)} Known: {', '.join(names) or 'none'}."
        return cls(f"{text} {cure}".rstrip(), kind=kind, name=name, known=names)


class MessageError(UsageError, ValueError):
    """A message does not decode: it is not a message of ours, or of a version that this worker cannot read."""


class ConflictError(UsageError):
    """What would be written exists already and is not the same."""


class LostDatasetError(UsageError, LookupError):
    """A dataset that is needed does not exist."""


class TokenExpiredError(UsageError):
    """A delegated access token cannot be redeemed: it has expired, or is not known here any more."""


class BrokerUnavailableError(TransientError, ConnectionError):
    """The broker does not answer."""


class AnnexUnavailableError(TransientError, ConnectionError):
    """The annex (S3) does not answer."""


class BrokerRefusesError(BrokerUnavailableError, AccessRefusedError):
    """The broker answers, and refuses the user, the password or a right."""


class AnnexRefusesError(AnnexUnavailableError, AccessRefusedError):
    """The annex (S3) answers, and refuses the credentials, the clock or the region."""


class RecordsUnavailableError(TransientError, ConnectionError):
    """The records' database does not answer."""


class IntegrityError(TransientError):
    """The annex holds other bytes than were sent: the delivery is repeated."""


class FencedOutError(FatalError):
    """The claim has been overtaken: its work is not made visible."""


_EXIT_CODES: tuple[tuple[type[UnderbutlerError], int], ...] = (
    (UsageError, 2),
    (AccessRefusedError, 2),
    (TransientError, 3),
    (FatalError, 4),
)


def exit_code(error: BaseException) -> int:
    """Return the exit status of a command that meets an error: 2 the user's, 3 a service's, 4 ours or nobody's yet."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 4)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
