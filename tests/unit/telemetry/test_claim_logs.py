"""Logs of claims are read back line by line, also as earlier releases kept them."""

from __future__ import annotations

from underbutler.terminal import log_lines

LOG = """\
… 3 earlier lines are left out
2026-11-21T07:20:00.123456Z [info] lsst.daf.butler: it begins x=1
2026-11-21T07:20:01.123456Z [error] underbutler: Traceback (most recent call last):
  File "x.py", line 3
ArithmeticError: no sky
2026-11-21T07:20:02.123456Z [debug    ] old_form [workers.target.run] claim=1
Fatal Python error: Segmentation fault

Current thread 0x1 (most recent call first):"""


def test_lines_carry_level_and_logger_and_keep_tracebacks() -> None:
    head, first, second, old, crash = log_lines(LOG)
    assert (head.level, head.text) == ("", "… 3 earlier lines are left out")
    assert (first.time, first.level, first.logger) == ("2026-11-21T07:20:00.123456Z", "info", "lsst.daf.butler")
    assert second.text.splitlines()[-1] == "ArithmeticError: no sky"
    assert (old.level, old.logger, old.text) == ("debug", "", "old_form [workers.target.run] claim=1")
    assert crash.text.endswith("(most recent call first):")


def test_a_level_hides_what_is_below_it_and_never_a_crash() -> None:
    assert [line.level for line in log_lines(LOG, "info")] == ["", "info", "error", ""]
    assert [line.level for line in log_lines(LOG, "critical")] == ["", ""]
    assert log_lines("") == []


def test_a_line_folds_the_frames_of_the_framework() -> None:
    text = """\
2026-11-21T07:20:01.123456Z [error] underbutler: Traceback (most recent call last):
  File "/venv/site-packages/workers/target/reducing.py", line 1, in _call
  File "/home/ann/level.py", line 2, in runDataRef
ArithmeticError: no sky"""
    (line,) = log_lines(text)
    assert "reducing.py" in line.text
    folded = line.folded().text.splitlines()
    assert folded[0] == "Traceback (1 frame of the framework folded; --full shows them):"
    assert folded[1:] == ['  File "/home/ann/level.py", line 2, in runDataRef', "ArithmeticError: no sky"]
