"""Logs of a process: one handler, ours and everybody's lines alike, warnings among them, each once."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from underbutler.errors import UsageError
from underbutler.telemetry import logs
from workers.stray_prints import LoggedStream

Stream = pytest.CaptureFixture[str]


@pytest.fixture
def stream(capsys: Stream) -> Iterator[Stream]:
    yield capsys
    logs.clear_target()
    logging.captureWarnings(False)


def lines(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.readouterr().err.splitlines()]


def test_a_warning_is_a_line_of_its_target_and_of_the_next_too(stream: Stream) -> None:
    logs.configure("INFO", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        for target in ("t-1", "t-2"):
            logs.warn_afresh()
            with logs.target_bound(target=target):
                for _ in range(3):
                    warnings.warn("old pixels", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    said = lines(stream)
    assert [(line["target"], line["logger"], line["level"]) for line in said] == [
        ("t-1", "py.warnings", "warning"),
        ("t-2", "py.warnings", "warning"),
    ]
    assert all("DeprecationWarning: old pixels" in line["event"] for line in said)


def test_astropys_handler_is_removed_and_its_lines_come_once(stream: Stream) -> None:
    from astropy import log

    log.addHandler(type("StreamHandler", (logging.StreamHandler,), {"__module__": "astropy.logger"})(sys.stdout))
    log.setLevel("INFO")
    logs.configure("WARNING", "json")
    log.info("not asked for")
    log.warning("asked for")
    said = stream.readouterr()
    assert [json.loads(line)["event"] for line in said.err.splitlines()] == ["asked for"]
    assert said.out == ""


def test_a_line_of_another_thread_belongs_to_the_only_target(stream: Stream) -> None:
    logs.configure("INFO", "json")

    def speak() -> None:
        other = threading.Thread(target=logging.getLogger("other").info, args=("here",))
        other.start()
        other.join()

    with logs.target_bound(target="t-1"):
        speak()
        meeting = threading.Barrier(2)

        def second() -> None:
            with logs.target_bound(target="t-2"):
                meeting.wait(10)
                meeting.wait(10)

        beside = threading.Thread(target=second)
        beside.start()
        meeting.wait(10)
        speak()
        meeting.wait(10)
        beside.join()
    speak()
    assert [line.get("target") for line in lines(stream)] == ["t-1", None, None]


def test_who_bound_a_target_first_clears_it(stream: Stream) -> None:
    logs.configure("INFO", "json")
    log = logs.get_logger("ours")
    logs.bind_target(target="t-1")
    with logs.target_bound(attempt=2):
        pass
    log.info("after the run")
    logs.clear_target()
    log.info("after the message")
    first, second = lines(stream)
    assert (first["target"], first["attempt"]) == ("t-1", 2)
    assert not {"target", "attempt"} & set(second)


def test_loggers_may_have_levels_of_their_own(stream: Stream) -> None:
    logs.configure("INFO", "json", "noisy.library=ERROR, quiet=debug")
    try:
        logging.getLogger("noisy.library.part").warning("no")
        logging.getLogger("quiet").debug("yes")
        assert [line["event"] for line in lines(stream)] == ["yes"]
    finally:
        logging.getLogger("noisy.library").setLevel(logging.NOTSET)
        logging.getLogger("quiet").setLevel(logging.NOTSET)
    for wrong in ("noisy", "noisy=LOUD", "=INFO"):
        with pytest.raises(UsageError, match="UNDERBUTLER_LOG_LEVELS"):
            logs.configure("INFO", "json", wrong)


def test_a_sign_on_that_is_over_is_told_once(stream: Stream) -> None:
    """botocore 1.44 logs the traceback of an error that it raises too, as a warning of its tokens and credentials."""
    logs.configure("INFO", "json")
    logging.getLogger("botocore.tokens").warning("Refreshing token failed", exc_info=ValueError("x"))
    assert not lines(stream)
    logs.configure("INFO", "json", "botocore.tokens=WARNING")
    logging.getLogger("botocore.tokens").warning("Refreshing token failed")
    assert [line["event"] for line in lines(stream)] == ["Refreshing token failed"]
    logs.configure("INFO")


def test_levels_of_rubins_are_rendered(stream: Stream) -> None:
    from lsst.utils.logging import getLogger

    logs.configure("TRACE")
    try:
        getLogger("lsst.some").verbose("at 15")
        getLogger("lsst.some").trace("at 5")
        said = stream.readouterr().err
        assert "[verbose" in said
        assert "[trace" in said
    finally:
        logs.configure("INFO")


def test_prints_are_lines_only_while_a_target_runs(stream: Stream) -> None:
    logs.configure("INFO", "json")
    beside = io.StringIO()
    printed = LoggedStream(beside, "stdout", logging.INFO)
    printed.write("to whom it may concern\n")
    with logs.target_bound(target="t-1"):
        printed.write("one\ntw")
        printed.write("o\n\n10 %\r50 %\r100 %\r\nlast")
        printed.finish()
        printed.write("x" * 20000)
        printed.write("\n")
    assert beside.getvalue() == "to whom it may concern\n"
    assert printed.line_buffering is False, "what the stream beside has"
    said = lines(stream)
    assert [line["event"] for line in said[:4]] == ["one", "two", "100 %", "last"]
    assert sum(len(line["event"]) for line in said[4:]) == 20000
    assert {line["target"] for line in said} == {"t-1"}
