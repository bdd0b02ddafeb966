"""Unit is unit: no process, no socket, no service; what a test needs is in its own process and folder.

A test that starts a program, forks, listens or connects, loopback included, fails at that line with the place where
it belongs. A parameter that asks for a service carries that service's marker (``postgres``): it is of the integration
tier, `make quick` leaves it out, and it may connect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy.testing  # noqa: F401 - numpy 2.0 starts `lscpu` when this is imported first: let it be before any test
import pytest

REFUSED = {
    "os.exec": "replaces its process by a program",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.posix_spawn": "starts a program",
    "os.system": "starts a program",
    "socket.bind": "listens on a socket",
    "socket.connect": "connects a socket",
    "subprocess.Popen": "starts a program",
}
"""Audit events of the interpreter, and what a test does there."""

SERVICES = ("postgres", "redis", "rabbitmq", "swift")

_running: list[str] = []


def _look(event: str, args: tuple[Any, ...]) -> None:
    """Refuse what no unit test does. It is not an `Exception`: code that outlasts an absent service would catch one."""
    if _running and event in REFUSED:
        raise pytest.fail.Exception(
            f"{_running[-1]} {REFUSED[event]} ({event}: {str(args)[:200]}). A unit test does not: "
            "it belongs to tests/integration, or to tests/acceptance if it needs whole workers."
        )


sys.addaudithook(_look)  # cannot be taken back: it does nothing outside of a unit test


@contextmanager
def _alone(item: pytest.Item) -> Iterator[None]:
    if any(item.get_closest_marker(service) for service in SERVICES):
        yield
        return
    _running.append(item.nodeid)
    try:
        yield
    finally:
        _running.clear()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Look at what fixtures do."""
    with _alone(item):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Look at what the test does."""
    with _alone(item):
        return (yield)
