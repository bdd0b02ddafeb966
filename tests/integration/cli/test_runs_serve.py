"""``underbutler runs serve`` where another listens."""

from __future__ import annotations

import socket
from typing import Any

from tests.support.catalog.commands import night_folder, night_place, underbutler_command  # noqa: F401 - fixtures


def test_a_port_that_is_taken_is_refused(underbutler: Any, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = underbutler("runs", "serve", "--port", taken.getsockname()[1], "--catalog", place)
    assert answer.code == 2
    assert "--port 0" in answer.err
