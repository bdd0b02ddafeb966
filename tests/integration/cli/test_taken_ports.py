"""Commands that listen or connect: a port that is taken, records that are away."""

from __future__ import annotations

import socket

import pytest

from tests.support.command_line import CommandLine


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Return the command line of an empty home."""
    return CommandLine(capsys)


def test_a_port_that_is_taken_is_refused(command: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command("db", "upgrade").code == 0
        said = command("metrics", "--serve", f"127.0.0.1:{taken.getsockname()[1]}")
    assert said.code == 2
    assert "in use" in said.err


def test_records_that_are_away_end_it_with_3(command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERBUTLER_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/x")
    assert command("metrics").code == 3
