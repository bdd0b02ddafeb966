"""Finds out who asks: by a bearer token, by a proxy that is believed, or by the token of this start."""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeAlias

from underbutler.errors import UsageError
from underbutler.model.bearer import SCOPES, Bearer, new_bearer, read_bearer
from underbutler.redaction import hide

from .principal import Principal
from .refusals import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from underbutler.records import CredentialRow, JobStore
    from underbutler.settings import Settings

__all__ = ["Gate"]

KNOWN_FOR_S: Final = 2.0
"""A token that was looked up is not looked up again for so long: a revocation takes effect within that, in seconds."""
USE_EVERY_S: Final = 60.0
"""The use of a token is noted at most so often, in seconds."""
REMEMBERED: Final = 4096

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Gate:
    """Knows who asks.

    Parameters
    ----------
    jobs
        The records, which hold the digests of tokens.
    settings
        Which proxies are believed, and whose jobs are made with the token of this start.
    own_token
        Make a token that is good while this process lives: for a server that nobody has configured.
    """

    def __init__(self, jobs: JobStore, settings: Settings, *, own_token: bool = False) -> None:
        self._jobs = jobs
        self._settings = settings
        self._proxies = _networks(settings.api_proxies)
        self._proxy_scopes = _scopes(settings.api_proxy_scopes)
        self._known: OrderedDict[str, tuple[float, CredentialRow | None]] = OrderedDict()
        self._lock = threading.Lock()
        self.own: Bearer | None = new_bearer() if own_token else None
        if self.own is not None:
            hide(self.own.secret, always=True)

    def principal(self, headers: Mapping[str, str], origin: str) -> Principal:
        """Return who asks.

        Parameters
        ----------
        headers
            Of the request.
        origin
            Address of whoever has connected to us.

        Raises
        ------
        UnauthorizedError
            If nobody can tell.
        """
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._bearer(text.strip(), origin)
        if kind.lower() == "basic":
            return self._bearer(_password(text), origin)
        user = headers.get("x-auth-request-user", "")
        if user and self._is_proxy(origin):
            return self._by_proxy(user, headers, origin)
        raise UnauthorizedError("Say who you are: send the header `Authorization: Bearer TOKEN`. " + _HOW)

    def _bearer(self, text: str, origin: str) -> Principal:
        bearer = read_bearer(text)
        if bearer is None:
            raise UnauthorizedError(f"This is not a token of this service. {_HOW}")
        if self.own is not None and hmac.compare_digest(bearer.digest, self.own.digest):
            return Principal(user=self._settings.user, scopes=frozenset(SCOPES), origin=origin, credential=bearer.id)
        row = self._row(bearer.id)
        if row is None or not hmac.compare_digest(row.digest, bearer.digest):
            raise UnauthorizedError(f"This token is not known here. {_HOW}")
        if not row.live:
            raise UnauthorizedError(f"The token {bearer.id} was revoked or has expired. {_HOW}")
        return Principal(
            user=row.user,
            scopes=frozenset(row.scopes),
            repos=None if row.repos is None else frozenset(row.repos),
            origin=origin,
            credential=row.id,
        )

    def _row(self, name: str) -> CredentialRow | None:
        now = time.monotonic()
        with self._lock:
            since, row = self._known.get(name, (-KNOWN_FOR_S - 1.0, None))
        if now - since <= KNOWN_FOR_S:
            return row
        row = self._jobs.credentials.find(name)
        if row is not None and row.live and (row.used_at is None or time.time() - row.used_at > USE_EVERY_S):
            self._jobs.credentials.note_use(name, USE_EVERY_S)
        with self._lock:
            self._known[name] = (now, row)
            self._known.move_to_end(name)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return row

    def _is_proxy(self, origin: str) -> bool:
        try:
            address = ipaddress.ip_address(origin)
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    def _by_proxy(self, user: str, headers: Mapping[str, str], origin: str) -> Principal:
        if len(user) > 64 or not user.isprintable() or "/" in user:
            raise UnauthorizedError("The proxy names a user that is none: up to 64 characters without '/'.")
        token = headers.get("x-auth-request-token") or None
        if token is not None:
            hide(token)
        return Principal(user=user, scopes=self._proxy_scopes, origin=origin, access_token=token)


_HOW: Final = "`underbutler token create` makes one."


def _password(text: str) -> str:
    """Return the password of HTTP's basic scheme, in which clients that know nothing else send a token."""
    import base64
    import binascii

    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _networks(text: str) -> list[Network]:
    found: list[Network] = []
    for word in (one.strip() for one in text.split(",")):
        if not word:
            continue
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as error:
            raise UsageError(
                f"UNDERBUTLER_API_PROXIES holds {word!r}, which is not a network: {error}. Write 10.1.0.0/16,fd00::/8."
            ) from error
    return found


def _scopes(text: str) -> frozenset[str]:
    names = {word.strip() for word in text.split(",") if word.strip()}
    if unknown := names - SCOPES.keys():
        raise UsageError(
            f"UNDERBUTLER_API_PROXY_SCOPES holds {min(unknown)!r}, which is not a scope. Known: {', '.join(SCOPES)}."
        )
    return frozenset(names)
