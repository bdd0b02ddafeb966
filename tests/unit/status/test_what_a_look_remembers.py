"""What `underbutler status` remembers from look to look; nothing depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from underbutler.status import PartState, State
from underbutler.status.memory import Memory

HERE = PartState(name="broker", state=State.ANSWERS, address="redis://a")
GONE = PartState(name="broker", state=State.AWAY, address="redis://a")
OTHER = PartState(name="broker", state=State.AWAY, address="redis://b")


def look(home: Path, part: PartState, now: float) -> tuple[State, float | None]:
    """Look once, in a process of its own as it were."""
    memory = Memory(home)
    (dated,) = memory.dated([part], now)
    memory.keep()
    return dated.state, dated.since


def test_what_answered_is_away_since_it_was_first_missed(tmp_path: Path) -> None:
    assert look(tmp_path, GONE, 10.0) == (State.NEVER, None)
    assert look(tmp_path, HERE, 20.0) == (State.ANSWERS, None)
    assert look(tmp_path, GONE, 30.0) == (State.AWAY, 30.0)
    assert look(tmp_path, GONE, 40.0) == (State.AWAY, 30.0)
    assert look(tmp_path, OTHER, 50.0) == (State.NEVER, None), "another server was never seen"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"looked_at": "x", "parts": {}}', '{"looked_at": 1, "parts": []}'])
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    assert look(tmp_path, GONE, 10.0) == (State.NEVER, None)
    assert look(tmp_path, HERE, 20.0)[0] is State.ANSWERS


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert look(tmp_path / "none", HERE, 10.0)[0] is State.ANSWERS
    assert list(tmp_path.iterdir()) == []


def test_a_look_is_remembered_apart_from_the_parts(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    assert memory.looked_at is None
    memory.keep(looked_at=12.5)
    look(tmp_path, HERE, 20.0)
    assert Memory(tmp_path).looked_at == 12.5
