"""Where a server listens, and what people call that place."""

from __future__ import annotations

import errno
import ipaddress
import socket

from underbutler.errors import UsageError

__all__ = ["is_any", "is_local", "listen", "shown"]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; of port 0, at a port that is free.

    Raises
    ------
    UsageError
        If the port is taken, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(found[4][:2], family=found[0])
    except OSError as error:
        taken = error.errno in {errno.EADDRINUSE, errno.EACCES}
        cure = "Take another: --port 0 finds one." if taken else "Write an address of this machine."
        raise UsageError(f"Nothing can be served at {host}:{port}: {error.strerror or error}. {cure}") from error


def shown(host: str) -> str:
    """Return a host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def is_local(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_any(host: str) -> bool:
    """Return whether an address stands for all of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
