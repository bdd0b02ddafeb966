"""A traceback shows the frames of a task; those of the framework around it are counted."""

from __future__ import annotations

import traceback

import pytest

from tests.support.echo_task import EchoTask, command
from underbutler import TaskRunner
from underbutler.errors import UsageError
from underbutler.model.dataref import DataRef
from underbutler.telemetry.tracebacks import folded, folded_traceback, shows_own_frames

LOG = """\
2026-12-01T00:00:00.000Z [error] underbutler: before
Traceback (most recent call last):
  File "/opt/venv/lib/python3.12/site-packages/workers/target/run.py", line 10, in run_target
    struct = runner(target)
             ^^^^^^^^^^^^^^
  File "/opt/venv/lib/python3.12/site-packages/underbutler/pipe/task_runner.py", line 20, in _run_target
    result = self.runTask(task, dataRef, kwargs)
  File "/home/underbutler/workers/level.py", line 30, in runDataRef
    self.measure(image)
  File "/opt/venv/lib/python3.12/site-packages/lsst/utils/timer.py", line 40, in timeMethod_wrapper
    res = func(self, *args, **keyArgs)
  File "/home/underbutler/workers/level.py", line 50, in measure
    return np.linalg.inv(image)
  File "/opt/venv/lib/python3.12/site-packages/numpy/linalg/_linalg.py", line 60, in inv
    _assert_stacked_square(a)
numpy.linalg.LinAlgError: Last 2 dimensions of the array must be square
after"""


def test_the_frames_of_the_framework_are_folded() -> None:
    text = folded(LOG, "--full shows them")
    assert "Traceback (3 frames of the framework folded; --full shows them):" in text
    assert [line.split(", in ")[1] for line in text.splitlines() if line.startswith("  File")] == [
        "runDataRef",
        "measure",
        "inv",
    ]
    assert text.splitlines()[0] == LOG.splitlines()[0]
    assert text.splitlines()[-2:] == LOG.splitlines()[-2:]


def test_a_traceback_of_the_framework_alone_stays_whole() -> None:
    ours = "\n".join(line for line in LOG.splitlines() if "level.py" not in line and "numpy" not in line)
    assert folded(ours) == ours


def test_the_error_of_a_task_shows_its_own_frames() -> None:
    with pytest.raises(ValueError, match="told to raise") as caught:
        TaskRunner(EchoTask, command("value", doraise=True))((DataRef("demo"), {}))
    assert shows_own_frames(caught.value)
    text = folded_traceback(caught.value)
    assert "task_runner.py" not in text
    assert "in runDataRef" in text
    assert text.endswith("ValueError: told to raise value")


def test_an_error_of_the_framework_shows_none() -> None:
    with pytest.raises(UsageError) as caught:
        DataRef("demo").get("raw")
    error = caught.value
    error.__traceback__ = error.__traceback__.tb_next  # type: ignore[union-attr]  # without the frame of this test
    assert not shows_own_frames(error)
    assert folded_traceback(error) == "".join(traceback.format_exception(error)).rstrip()
