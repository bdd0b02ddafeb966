"""Addresses of services as people write them: read before anybody is asked, and rewritten for our clients."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from .errors import suggest

__all__ = ["AddressError", "broker_address", "check_address"]

BROKER_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "redis+socket": "redis+socket",
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+socket": "redis+socket",
    "unix": "redis+socket",
    "sentinel": "sentinel",
    "amqp": "amqp",
    "amqps": "amqps",
    "pyamqp": "pyamqp",
    "memory": "memory",
}
"""What a broker's URL may begin with → how the clients of this release call it. Valkey speaks Redis' protocol."""
_SOCKETS = {"redis+socket"}
_HOSTLESS = {"amqp", "amqps", "pyamqp", "memory"}
"""Schemes whose clients fill in a host of their own where none is given."""
_SHOWN = "redis, rediss, redis+socket, valkey, valkeys, sentinel, amqp, amqps"


class AddressError(ValueError):
    """An address cannot be read; its text goes behind the name of the variable and its value."""


def broker_address(url: str) -> str:
    """Return a broker's URL as kombu, Celery and redis-py all understand it.

    Parameters
    ----------
    url
        As a person wrote it. ``valkey://`` becomes ``redis://``, ``valkeys://`` ``rediss://``, and redis-py's
        ``unix:///path?db=1`` kombu's ``redis+socket:///path?virtual_host=1``. Several servers stand apart by ``;``.

    Raises
    ------
    AddressError
        If nobody could connect to it.
    """
    if not url.strip():
        raise AddressError(
            "is empty. Write the broker's address, redis://host:6379/0 or amqp://user@host//, or unset it"
        )
    parts = [part.strip() for part in url.split(";") if part.strip()]
    rewritten = [_broker_part(part) for part in parts]
    schemes = sorted({part.partition("://")[0] for part in rewritten})
    if len(schemes) > 1:
        raise AddressError(f"mixes {' and '.join(schemes)}. Several addresses are of one kind")
    return ";".join(rewritten)


def check_address(url: str, schemes: Iterable[str], example: str) -> str:
    """Return a service's URL unchanged, if it can be read.

    Parameters
    ----------
    url
        As a person wrote it.
    schemes
        What it may begin with.
    example
        How it is written.

    Raises
    ------
    AddressError
        If it has another scheme, no host or no valid port.
    """
    known = sorted(schemes)
    parsed = _split(url, known, ", ".join(known), example)
    _check_host(parsed, example)
    return url


def _broker_part(url: str) -> str:
    example = "redis://host:6379/0 or amqp://user@host//"
    parsed = _split(url, BROKER_SCHEMES, _SHOWN, example)
    scheme = BROKER_SCHEMES[parsed.scheme]
    if scheme in _SOCKETS:
        if not parsed.path.strip("/"):
            raise AddressError("names no socket. Write redis+socket:///absolute/path/of/redis.sock")
        query = [("virtual_host" if key == "db" else key, value) for key, value in parse_qsl(parsed.query)]
        kept = f"{parsed.netloc}{parsed.path}"
        return f"{scheme}://{kept}{'?' if query else ''}{urlencode(query)}"
    if scheme not in _HOSTLESS or parsed.netloc:
        _check_host(parsed, example)
    if scheme == parsed.scheme:
        return url
    return urlunsplit(parsed._replace(scheme=scheme))


def _split(url: str, schemes: Iterable[str], shown: str, example: str) -> SplitResult:
    scheme, separator, rest = url.partition("://")
    if not separator or any(character.isspace() for character in rest):
        raise AddressError(f"is not an address. Write {example}")
    known = list(schemes)
    if scheme.lower() not in known:
        raise AddressError(f"begins with {scheme!r}, which nobody here speaks.{suggest(scheme, known)} Known: {shown}")
    try:
        return urlsplit(f"{scheme.lower()}://{rest}")
    except ValueError as error:
        raise AddressError(f"cannot be read ({error}). Write {example}") from error


def _check_host(parsed: SplitResult, example: str) -> None:
    try:
        host, _port = parsed.hostname, parsed.port  # urllib's own text would show what stands there
    except ValueError as error:
        raise AddressError(
            f"has no valid port. Write {example}; in a password, '/', '#', '?' and '@' are %2F, %23, %3F, %40"
        ) from error
    if not host:
        raise AddressError(f"names no host. Write {example}")
