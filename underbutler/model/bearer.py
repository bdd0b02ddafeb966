"""Bearer tokens of the submission API: how they are written, and by which digest they are known again."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

__all__ = ["SCOPES", "Bearer", "new_bearer", "read_bearer"]

SCOPES: Final = {
    "read": "see one's own jobs, and what can be submitted",
    "submit": "make, start, cancel, retry and destroy one's own jobs",
    "approve": "begin jobs of others that wait for an approval",
    "admin": "see and change the jobs of all, quarantine and audit",
}
"""What a token may be good for."""

_FORM: Final = re.compile(r"ubt_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Bearer:
    """A bearer token.

    Parameters
    ----------
    id
        Its public part: what lists show and revoke.
    secret
        The whole of it, as a client sends it. It is in no repr.
    """

    id: str
    secret: str = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of it, hexadecimal: it holds 256 random bits, so that nothing slower is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_bearer() -> Bearer:
    """Make a new bearer token."""
    name = secrets.token_hex(6)
    return Bearer(name, f"ubt_{name}_{secrets.token_urlsafe(32)}")


def read_bearer(text: str) -> Bearer | None:
    """Return the bearer token that a text is; None if it is none of ours."""
    found = _FORM.fullmatch(text)
    return None if found is None else Bearer(found[1], text)
