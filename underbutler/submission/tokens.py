"""Delegated access tokens, kept encrypted with an expiry; what travels is a handle.

A token is encrypted under the newest key and decrypted with any (`MultiFernet`), so that keys can be changed while
tokens are kept. It is redeemed in the worker that needs it, and hidden there from every log before it is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from underbutler.errors import TokenExpiredError, UsageError
from underbutler.redaction import SHORTEST, hide
from underbutler.telemetry.logs import get_logger

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    from underbutler.records import JobStore
    from underbutler.settings import Settings

__all__ = ["DEFAULT_LIFETIME_S", "KEY_FILE", "AccessToken", "TokenVault", "read_token"]

log = get_logger(__name__)

KEY_FILE = "token.key"
"""File in the home folder that holds the key, when `UNDERBUTLER_TOKEN_KEY` is not set."""

DEFAULT_LIFETIME_S = 86400.0
"""How long a token is kept that does not say itself when it ends, in seconds."""

LONGEST = 16384
"""A longer text is not a token, in characters."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A delegated token that has been looked at.

    Parameters
    ----------
    secret
        The token. It is in no repr.
    expires_at
        When it ends, seconds since 1970 UTC.
    """

    secret: str = field(repr=False)
    expires_at: float


def read_token(text: str, *, lifetime_s: float | None = None, now_s: float | None = None) -> AccessToken:
    """Look at a token and hide it from everything that this process says.

    Parameters
    ----------
    text
        The token, with blanks around it or without. If it is a JWT, its ``exp`` is honoured.
    lifetime_s
        Keep it for so long at most, in seconds; default until its ``exp``, else `DEFAULT_LIFETIME_S`.
    now_s
        What time it is, in seconds since 1970 UTC; default the clock of this machine.

    Raises
    ------
    UsageError
        If it is not a token, or has expired already.
    """
    secret = text.strip()
    hide(secret)
    if not SHORTEST <= len(secret) <= LONGEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise UsageError(
            f"This is not an access token: it should be one line of {SHORTEST} to {LONGEST} printable ASCII characters "
            f"without blanks, and has {len(secret)} characters."
        )
    now = time.time() if now_s is None else now_s
    told = _jwt_expiry(secret)
    ends = [end for end in (told, None if lifetime_s is None else now + lifetime_s) if end is not None]
    expires_at = min(ends, default=now + DEFAULT_LIFETIME_S)
    if expires_at <= now:
        raise UsageError(f"The access token expired at {_utc(expires_at)}. Get a new one and submit with it.")
    return AccessToken(secret, expires_at)


class TokenVault:
    """Keeps tokens under handles, and gives them back.

    Parameters
    ----------
    jobs
        The records, which hold what is encrypted.
    settings
        The keys, or the home folder that has the key file.
    """

    def __init__(self, jobs: JobStore, settings: Settings) -> None:
        self._jobs = jobs
        self._settings = settings

    def keep(self, token: AccessToken, user: str) -> str:
        """Keep a token and return its handle. The key file is made when there is none.

        Raises
        ------
        UsageError
            If a key of `UNDERBUTLER_TOKEN_KEY` or of the key file is none.
        RecordsUnavailableError
            If the records do not answer.
        """
        handle = secrets.token_urlsafe(18)
        inside = json.dumps({"handle": handle, "token": token.secret}).encode()
        ciphertext = self._fernet(make=True).encrypt(inside)
        self._jobs.tokens.keep(handle, user, ciphertext, token.expires_at)
        return handle

    def redeem(self, handle: str) -> str:
        """Return the token of a handle, hidden from now on in this process.

        Raises
        ------
        TokenExpiredError
            If it has expired, is not known any more, or was kept under another key.
        """
        from cryptography.fernet import InvalidToken

        row = self._jobs.tokens.get(handle)
        if row is None:
            raise TokenExpiredError(
                "The access token of this job is not known any more: it expired and was forgotten. Submit again with a "
                "new one.",
                handle=handle,
            )
        if row.expired:
            raise TokenExpiredError(
                f"The access token of this job expired at {_utc(row.expires_at)}. Submit again with a new one.",
                handle=handle,
                expired_at=row.expires_at,
            )
        try:
            document = json.loads(self._fernet(make=False).decrypt(row.ciphertext))
        except InvalidToken:
            document = {}
        if document.get("handle") != handle:
            raise TokenExpiredError(
                "The access token of this job was kept under a key that this worker has not. Give submitters and "
                "workers the same UNDERBUTLER_TOKEN_KEY, or one home folder; then submit again.",
                handle=handle,
            )
        token = str(document["token"])
        hide(token)
        return token

    def _fernet(self, *, make: bool) -> MultiFernet:
        """Return what encrypts and decrypts, with the keys as they are now."""
        from cryptography.fernet import Fernet, MultiFernet

        given = self._settings.token_key
        where = "UNDERBUTLER_TOKEN_KEY" if given else str(self._settings.home / KEY_FILE)
        text = given.get_secret_value() if given else _key_of_home(self._settings.home / KEY_FILE, make=make)
        words = [word.strip() for word in text.split(",") if word.strip()]
        hide(*words, always=True)
        try:
            keys = [Fernet(word) for word in words]
        except ValueError:
            keys = []
        if not keys:
            raise UsageError(
                f"{where} holds no usable key. Each is 32 random bytes in URL-safe base64, newest first, with commas "
                "between them. Make one: python -c 'from cryptography.fernet import Fernet as F; "
                "print(F.generate_key().decode())'."
            )
        return MultiFernet(keys)


def _key_of_home(path: Path, *, make: bool) -> str:
    """Return the key of the home folder; whoever comes first makes it, for all."""
    try:
        key = path.read_text()
    except FileNotFoundError:
        if not make:
            raise TokenExpiredError(
                f"The access token of this job cannot be read here: there is no key in {path}. Give submitters and "
                "workers the same UNDERBUTLER_TOKEN_KEY, or one home folder; then submit again."
            ) from None
        _make_key(path)
        key = path.read_text()
    if path.stat().st_mode & 0o077:
        log.warning("key_file_is_open", file=str(path), cure=f"chmod 600 {path}")
    return key


def _make_key(path: Path) -> None:
    """Write a new key, readable for its owner only, in one step; one that another process was first to make stays."""
    from cryptography.fernet import Fernet

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _jwt_expiry(token: str) -> float | None:
    """Return the ``exp`` of a JWT, whose signature is for its server to check; None when the token says none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = (_jwt_part(part) for part in parts[:2])
    except (binascii.Error, ValueError):
        return None
    if not isinstance(header, dict) or "alg" not in header or not isinstance(claims, dict):
        return None
    expiry = claims.get("exp")
    return float(expiry) if isinstance(expiry, int | float) and not isinstance(expiry, bool) else None


def _jwt_part(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
