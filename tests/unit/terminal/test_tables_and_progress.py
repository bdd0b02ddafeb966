"""Tables that people read: nothing that they need is cut, units stand in the headings, failures give their reason."""

from __future__ import annotations

import io
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.support.terminal_texts import shown
from underbutler.model.job import Phase, TargetState
from underbutler.model.notice import LargeFileObjectAvailable
from underbutler.terminal import follow_job, jobs_table, notice_line, steps, targets_table
from underbutler.terminal.tables import size_text


def row(**changes: Any) -> SimpleNamespace:
    """Return a recorded target, as far as tables look at it."""
    fields = {
        "data_id": {"detector": 1, "exposure": 20130713005733, "instrument": "STE3"},
        "argsrepr": "exposure=20130713005733 detector=1 instrument='STE3'",
        "state": TargetState.DONE,
        "scalars": {"n_sources": 7, "fwhm_px": 3.14159, "background_e": 163.06, "read_noise_e": 5.76, "other": 1},
        "seconds": 2.75,
        "error_type": None,
        "error_text": None,
        "not_before": None,
        "waiting_reason": None,
    }
    return SimpleNamespace(**(fields | changes))


def test_a_table_of_targets_fits_80_columns_and_cuts_nothing() -> None:
    text = shown(targets_table([row(), row()]))  # type: ignore[list-item]
    assert text.count("20130713005733") == 2
    for word in ("STE3", "done", "3.14", "163.06", "5.76", "2.75", "(e-)", "(px)"):
        assert word in text
    assert "…" not in text


def test_targets_of_several_references_are_told_apart() -> None:
    names = [f"exposure={values} detector=1 instrument='STE3'" for values in ("1^2", "3..9 (4 values)")]
    shared = {"detector": 1, "instrument": "STE3"}
    text = shown(targets_table([row(data_id=shared, argsrepr=name) for name in names]), 160)  # type: ignore[misc]
    assert all(name in text for name in names)
    assert text.count("STE3") == 2, "what they share is not said twice"


def test_a_failed_target_gives_its_reason_and_no_measurements() -> None:
    failed = row(
        state=TargetState.FAILED, scalars=None, seconds=0.5, error_type="LostDatasetError", error_text="No bias."
    )
    text = shown(targets_table([failed]), 120)  # type: ignore[list-item]
    assert "LostDatasetError: No bias." in text
    assert "failed" in text
    assert "sources" not in text


def test_a_target_that_waits_says_until_when_and_why() -> None:
    waits = row(state=TargetState.QUEUED, scalars=None, not_before=3661.0, waiting_reason="No worker knows it.")
    later = row(state=TargetState.QUEUED, scalars=None, not_before=7200.0)
    text = shown(targets_table([waits, later]), 120)  # type: ignore[list-item]
    assert "waits until 01:01:01Z: No worker knows it." in text
    assert "waits until 02:00:00Z" in text
    assert "waits" not in shown(targets_table([row(not_before=3661.0)]))  # type: ignore[list-item]


def test_ids_of_targets_are_shown_when_asked_for() -> None:
    one = row(id=uuid.UUID(int=0x1A2B3C4D))
    assert "1a2b3c4d" in shown(targets_table([one], ids=True), 120)  # type: ignore[list-item]
    assert "1a2b3c4d" not in shown(targets_table([one]), 120)  # type: ignore[list-item]


def test_a_list_of_jobs_counts_targets_by_state() -> None:
    job = SimpleNamespace(
        id=uuid.UUID(int=0x1A2B3C4D),
        task="processCcd",
        repo="demo",
        phase=Phase.ERROR,
        created_at=0.0,
        ended_at=2.5,
    )
    text = shown(jobs_table([(job, {TargetState.DONE: 3, TargetState.FAILED: 1, TargetState.HELD: 0})]), 120)  # type: ignore[list-item]
    assert "1a2b3c4d" in text
    assert "done 3 failed 1" in text
    assert "held" not in text
    assert "1970-01-01 00:00:00Z" in text
    assert "2.5 s" in text


def test_sizes_are_told_as_people_read_them() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 12_582_912, 5 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "12.0 MiB",
        "5.00 GiB",
    ]


def test_a_notice_is_one_line() -> None:
    notice = LargeFileObjectAvailable(
        url="s3://b/k",
        generator="processCcd.calexp",
        version=1.0,
        byteSize=2048,
        checkSum="ab" * 32,
        mimeType="application/fits",
        id="i",
        data_id={"instrument": "STE3", "exposure": 5},
    )
    text = shown(notice_line(notice))
    assert text.count("\n") == 1
    assert "exposure=5" in text
    assert "2.0 KiB" in text


def test_a_bar_that_never_began_writes_nothing() -> None:
    console = Console(file=io.StringIO(), width=80)
    with steps("quiet", 3, console):
        pass
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
    with steps("sending", 3, console) as step:
        step()
        step(3)
    assert "3/3" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_job_is_followed_to_its_end() -> None:
    class Reading:
        looks = 0

        def job(self, job: uuid.UUID) -> Any:
            phase = Phase.COMPLETED if self.looks > 1 else Phase.EXECUTING
            return SimpleNamespace(id=job, task="processCcd", n_targets=2, phase=phase)

        def counts(self, job: uuid.UUID) -> dict[TargetState, int]:
            self.looks += 1
            return {TargetState.DONE: min(self.looks, 2), TargetState.RUNNING: 0}

    console = Console(file=io.StringIO(), width=80)
    met: list[int] = []
    jobs: Any = SimpleNamespace(read=Reading())
    ended = follow_job(jobs, uuid.uuid4(), console=console, meanwhile=lambda _: met.append(1), poll_s=0.0)
    assert ended.phase == Phase.COMPLETED
    assert len(met) >= 2
    assert "2/2" in console.file.getvalue()  # type: ignore[attr-defined]


class Waiting:
    """The records of a job whose targets come to other states as they are told to, look by look."""

    def __init__(self, *looks: dict[TargetState, int]) -> None:
        self.looks = list(looks)

    def job(self, job: uuid.UUID) -> Any:
        phase = Phase.EXECUTING if len(self.looks) > 1 else Phase.COMPLETED
        return SimpleNamespace(id=job, task="processCcd", n_targets=2, phase=phase)

    def counts(self, job: uuid.UUID) -> dict[TargetState, int]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.mark.parametrize(
    "looks",
    [
        [{TargetState.RUNNING: 1}] * 50 + [{TargetState.DONE: 2}],
        [{TargetState.QUEUED: 50 - number, TargetState.DONE: number} for number in range(50)],
    ],
    ids=["a target that runs long", "many short targets"],
)
def test_a_job_that_moves_is_waited_for(looks: list[dict[TargetState, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 10))
    stopwatch = SimpleNamespace(monotonic=lambda: float(next(clock)), sleep=lambda _: None)
    monkeypatch.setattr("underbutler.terminal.progress.time", stopwatch)
    jobs: Any = SimpleNamespace(read=Waiting(*looks))
    console = Console(file=io.StringIO(), width=80)
    row = follow_job(jobs, uuid.uuid4(), console=console, poll_s=0.0, silence_s=30.0)
    assert row.phase == Phase.COMPLETED


def test_a_job_in_which_nothing_moves_is_given_up() -> None:
    jobs: Any = SimpleNamespace(read=Waiting(*[{TargetState.QUEUED: 2}] * 1000))
    with pytest.raises(TimeoutError, match=r"Nothing moves in job .* all targets wait"):
        follow_job(jobs, uuid.uuid4(), console=Console(file=io.StringIO()), poll_s=0.0, silence_s=0.0)
