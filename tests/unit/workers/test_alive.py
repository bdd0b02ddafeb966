"""The file whose age tells whether a process does its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workers.intake.test_fitness import Consumer
from workers.liveness_file import LivenessFile, touch


def test_the_loop_touches_the_file_until_its_connection_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alive"
    monkeypatch.setenv("UNDERBUTLER_ALIVE_FILE", str(file))
    consumer = Consumer()
    step = LivenessFile(consumer)
    step.start(consumer)
    assert not file.exists(), "only the loop touches it"
    consumer.look()
    assert file.exists()
    step.stop(consumer)
    assert consumer.timer.calls == []


def test_nobody_is_told_when_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERBUTLER_ALIVE_FILE", raising=False)
    consumer = Consumer()
    LivenessFile(consumer).start(consumer)
    assert consumer.timer.calls == []


def test_a_file_that_cannot_be_touched_does_not_stop_the_work(tmp_path: Path) -> None:
    touch(tmp_path / "missing" / "alive")
    touch(None)
