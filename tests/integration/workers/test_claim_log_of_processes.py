"""The log of a claim on disk: a forked process writes nothing into it, and goes with its folder."""

from __future__ import annotations

import faulthandler
import logging
import os
import uuid
from pathlib import Path

import pytest

from underbutler.telemetry import claim_log_file as black_box
from underbutler.telemetry import logs
from workers.target.log_capture import captured

TARGET = uuid.UUID(int=7)


@pytest.fixture(autouse=True)
def _configured() -> None:
    logs.configure("INFO")


def test_a_claims_log_is_on_disk_bounded_and_gone_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = black_box.make_folder(tmp_path)
    assert folder is not None
    monkeypatch.setenv(black_box.FOLDER, str(folder))
    told_before = faulthandler.is_enabled()
    with captured() as said:
        logging.getLogger("before").info("before the claim")
        said.survive(TARGET, 3)
        logging.getLogger("after").info("password s3://ann:secret@host after it")
        assert black_box.find(tmp_path, TARGET, 3) == folder / f"{TARGET}.3.log"
        assert black_box.take(folder, TARGET, 3) == said.text
        assert "secret" not in said.text
        for number in range(3000):
            logging.getLogger("chatty").info("line %d %s", number, "ü" * 100)
        text = black_box.take(folder, TARGET, 3) or ""
        assert text.endswith("ü")
        assert f"line 2999 {'ü' * 100}" in text
        assert (folder / f"{TARGET}.3.log").stat().st_size <= black_box.LIMIT_BYTES
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            logging.getLogger("forked").info("of a process that the science forked")
            os._exit(0)
        os.waitpid(child, 0)
        assert black_box.take(folder, TARGET, 3) == text
    assert black_box.take(folder, TARGET, 3) is None
    assert faulthandler.is_enabled() == told_before
    faulthandler.enable()


def test_folders_of_gone_workers_are_removed_and_no_others(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        made = black_box.make_folder(tmp_path)
        os.write(writing, str(made).encode())
        os._exit(0)
    os.waitpid(child, 0)
    gone = Path(os.read(reading, 1000).decode())
    assert gone.is_dir()
    mine = black_box.make_folder(tmp_path)
    other = black_box.make_folder(tmp_path)
    assert mine is not None
    assert other is not None
    assert not gone.exists()
    assert {mine, other} == set(tmp_path.iterdir())
    assert mine.stat().st_mode & 0o077 == 0
