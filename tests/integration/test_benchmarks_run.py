"""Every benchmark runs and prints its whole table. No time is asserted: that is what `make bench` is read for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.warm_processes import run_script

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

ROWS = {
    "catalogue_image": ["a file each: one of 8, by to_dask", "one cube: one of 8, by to_dask"],
    "catalogue_read": ["Underbutler, SQLite", "Underbutler, jsonl", "Underbutler, msgpack", "Underbutler, PostgreSQL"],
    "catalogue_search": ["SQLite, 500", "PostgreSQL, 500", "Underbutler, jsonl, for the first time"],
    "recording": ["events of one run alone", "targets of one job", "targets of four jobs"],
    "butler_ready": ["SQLite: fresh Butler", "SQLite: fresh Butler, once more", "SQLite: factory"],
    "decode_refs": [
        "4 types share each data ID: without",
        "4 types share each data ID: with",
        "all data IDs distinct: with",
        "a single reference: with",
    ],
    "delivery": ["moto: bare upload_fileobj", "moto: deliver"],
    "empty_target": [
        "decode: JSON, header, references",
        "claim",
        "butler: make, bind, close",
        "runner: make the task, call it",
        "metadata: put into the Butler",
        "complete",
        "the rest",
        "in all",
    ],
    "counting": ["nothing is counted", "nothing is counted, once more", "metrics are counted"],
    "process_ccd": [
        "cosmic rays: script",
        "cosmic rays: task",
        "the calls in a bare script",
        "processCcd",
        "two pictures",
    ],
    "hostile_search": ["alone", "beside hostile searches"],
    "look_before": ["targets listed", "the look"],
    "transport_drain": ["Redis, kombu's transport", "Redis, atomic transport"],
}
ALONE = ("catalogue_read", "catalogue_search")
"""These install what they are compared with, and are run without it."""
NO_TIMES = ("structure",)
"""Counts, and measures nothing: `test_structure` looks at its figures."""


def test_make_bench_runs_these_and_no_others() -> None:
    assert {path.stem for path in FOLDER.glob("[a-z]*.py")} == {*ROWS, *NO_TIMES}


@pytest.mark.parametrize("name", ROWS)
def test_a_benchmark_prints_its_rows_targets_and_the_machine(name: str, tmp_path: Path) -> None:
    alone = ["--alone"] if name in ALONE else []
    done = run_script(FOLDER / f"{name}.py", "--quick", *alone, folder=tmp_path, timeout=120)
    assert done.code == 0, done.err + done.out
    lines = done.out.splitlines()
    for row in ROWS[name]:
        assert any(re.fullmatch(re.escape(row) + r"\s+[\d.]+\s+[\d.]+ – [\d.]+\s.*", line) for line in lines), row
    assert name == "catalogue_read" or any(re.match(r"target .*, (NOT )?met", line) for line in lines)
    assert lines[0].startswith("before: ")
    assert lines[-1].startswith("after: ")
