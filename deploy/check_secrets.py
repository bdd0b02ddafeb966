#!/usr/bin/env python3
"""Refuse to start services whose passwords are those of the example, where others than this host could reach them.

Run before everything else, by the service ``check`` of docker-compose.yml; standard library only. It looks at the
environment: ``BIND`` is the address that ports are published at, ``SECRETS`` names the variables that hold passwords.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping

EXAMPLE = "example"
"""What every password of the example begins with."""

SHORTEST = 16
"""Characters of a password that others than this host may try."""

PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
"""What stands in a URL as it is."""

CURE = "Write one into .env: openssl rand -hex 24"


def problems(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong, one sentence each."""
    address = environment.get("BIND", "")
    closed = is_loopback(address)
    found = []
    for name in environment.get("SECRETS", "").split():
        secret = environment.get(name, "")
        if not secret:
            found.append(f"{name} is empty. {CURE}")
        elif not PLAIN.fullmatch(secret):
            found.append(f"{name} has characters that do not stand in a URL; use letters, digits and . _ ~ -. {CURE}")
        elif secret.startswith(EXAMPLE) and not closed:
            found.append(f"{name} is that of .env.example, and ports are published at {address}. {CURE}")
        elif len(secret) < SHORTEST and not closed:
            found.append(f"{name} has less than {SHORTEST} characters, and ports are published at {address}. {CURE}")
    return found


def is_loopback(address: str) -> bool:
    """Tell whether only this host can reach an address; what is not an address, others may reach."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


if __name__ == "__main__":
    wrong = problems(os.environ)
    for sentence in wrong:
        sys.stderr.write(f"Not started: {sentence}\n")
    sys.exit(2 if wrong else 0)
