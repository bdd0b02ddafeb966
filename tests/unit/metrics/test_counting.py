"""What processes count is counted once: also in children, in children that were killed, and never without a wish."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from services import eventually

from underbutler import metrics
from underbutler.embedded.process import free_port
from underbutler.metrics import BUTLER_OPEN_SECONDS, CLAIMS, LEASE_RENEWALS, RUN_SECONDS, WORKER_FIT, MetricsFolder
from underbutler.records import StandDownReason
from underbutler.redaction import BLOT, forget_all, hide
from underbutler.settings import Settings
from underbutler.sweeper import PARTS

FAST = {"task": "processCcd", "end": "done"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MetricsFolder]:
    """Count in this process, in a folder as a worker does."""
    place = tmp_path / "counts"
    place.mkdir()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(place))
    assert metrics.begin("worker", place)
    yield MetricsFolder(place)
    metrics.end()


def shown(*collectors: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return samples by name and label values, in the order of the labels."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition(*collectors))
        for sample in family.samples
    }


def in_child(act: Any) -> int:
    """Fork, act in the child, and return how it ended: 0, if it still counts then."""
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)  # a child that waits for ever is ended
        act()
        os._exit(0 if metrics.counting() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_nothing_is_counted_until_somebody_wants_it() -> None:
    assert not metrics.counting()
    CLAIMS.count(**FAST)
    with RUN_SECONDS.timed(**FAST):
        pass
    WORKER_FIT.set(1)
    assert metrics.own() == []


def test_without_the_client_everything_runs_and_nothing_is_counted(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['prometheus_client'] = None\n"
        "import workers.keeper, workers.measuring, underbutler.exposition, beat.measuring\n"
        "from underbutler import metrics\n"
        "from underbutler.settings import load_settings\n"
        "settings = load_settings(metrics_port=1)\n"
        "assert workers.measuring.start_counting(settings, 'worker') is None\n"
        "metrics.CLAIMS.count(task='t', end='done')\n"
        "assert not metrics.Exporter(settings).start()\n"
        "beat.measuring._on_start()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "pip install 'underbutler[monitoring]'" in done.stderr + done.stdout


def test_what_children_counted_stays_when_they_are_gone_and_their_files_do_not(folder: MetricsFolder) -> None:
    def work() -> None:
        CLAIMS.count(**FAST)
        RUN_SECONDS.observe(2.0, **FAST)
        WORKER_FIT.set(1)

    def work_and_be_killed() -> None:
        work()
        os.kill(os.getpid(), signal.SIGKILL)

    work()
    for number in range(8):
        in_child(work_and_be_killed if number % 2 else work)
        if number == 4:
            folder.tidy(lambda pid: pid == os.getpid())
    before = shown(folder)
    folder.tidy(lambda pid: pid == os.getpid())
    after = shown(folder)

    for samples in (before, after):
        assert samples["underbutler_claims_total", ("done", "processCcd")] == 9
        assert samples["underbutler_run_seconds_count", ("done", "processCcd")] == 9
        assert samples["underbutler_run_seconds_sum", ("done", "processCcd")] == 18
        assert samples["underbutler_run_seconds_bucket", ("done", "2.5", "processCcd")] == 9
        assert samples["underbutler_run_seconds_bucket", ("done", "1.0", "processCcd")] == 0
    assert after["underbutler_worker_fit", ()] == 1, "the dead are not fit"
    assert {path.name for path in folder.path.glob("*.db")} == {
        f"{kind}_{owner}.db" for kind in ("counter", "histogram") for owner in (os.getpid(), "dead")
    } | {f"gauge_livesum_{os.getpid()}.db"}


def test_a_process_that_is_started_joins_and_one_of_nobody_does_not(folder: MetricsFolder) -> None:
    code = "from underbutler import metrics; print(metrics.join('beat')); metrics.BEAT_FIRINGS.count(outcome='failed')"
    for _ in range(2):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert said.stdout == "True\n"
    folder.tidy(lambda pid: pid == os.getpid())
    assert shown(folder)["underbutler_beat_firings_total", ("failed",)] == 2
    alone = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=alone, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout == "False\n"


def test_a_child_that_is_forked_while_another_thread_counts_counts_too(folder: MetricsFolder) -> None:
    done = threading.Event()

    def count() -> None:
        while not done.is_set():
            LEASE_RENEWALS.count()

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):  # one of them would wait for ever for a lock that nobody gives back
            assert in_child(lambda: CLAIMS.count(**FAST)) == 0
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert shown(folder)["underbutler_claims_total", ("done", "processCcd")] == 40


def test_a_counter_is_there_before_it_counts_and_a_beat_says_nothing_of_a_worker() -> None:
    assert metrics.begin("beat")
    try:
        samples = shown(*metrics.own())
    finally:
        metrics.end()
    assert samples["underbutler_beat_firings_total", ("fired",)] == 0
    assert {name for name, _ in samples if not name.startswith(("underbutler_beat", "underbutler_sweep"))} == {
        "underbutler_notices_total"
    }


def test_a_full_or_vanished_folder_ends_the_counting_and_nothing_else(folder: MetricsFolder) -> None:
    folder.remove()
    assert in_child(lambda: CLAIMS.count(**FAST)) == 1, "it has no place for a file of its own"
    assert metrics.counting()


def test_a_port_that_is_taken_is_tried_again_until_it_is_free(
    folder: MetricsFolder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underbutler.metrics.serving.TRY_AGAIN_S", 0.0)
    port = free_port()
    exporter = metrics.Exporter(settings.model_copy(update={"metrics_port": port}), folder)
    with socket.create_server(("127.0.0.1", port)):
        assert not exporter.start()
        assert "in use" in exporter.trouble
    try:
        assert eventually(exporter.start, 10, "the free port")
    finally:
        exporter.stop()


def test_no_port_means_no_server(settings: Settings) -> None:
    assert not metrics.Exporter(settings).start()
    assert not metrics.Exporter(settings.model_copy(update={"metrics_port": 0})).start()


def test_a_secret_in_a_label_is_not_shown(folder: MetricsFolder) -> None:
    hide("very-secret-word")
    try:
        BUTLER_OPEN_SECONDS.observe(0.1, repo="very-secret-word")
        text = metrics.exposition(folder)
    finally:
        forget_all()
    assert "very-secret-word" not in text
    assert f'repo="{BLOT}"' in text


def test_closed_labels_are_those_that_there_are() -> None:
    assert set(metrics.STOOD_DOWN.labels["reason"]) == {reason.value for reason in StandDownReason}
    assert set(metrics.SWEEP_ERRORS.labels["part"]) == set(PARTS)


def test_every_metric_has_its_unit_a_text_and_few_labels() -> None:
    for one in metrics.defined():
        assert one.name.endswith("_total") == (one.kind == "Counter"), one.name
        assert one.kind != "Histogram" or one.name.endswith("_seconds"), one.name
        assert one.text.endswith("."), one.name
        assert set(one.labels) <= {
            "task", "end", "queue", "reason", "kind", "how", "repo", "cache", "outcome", "dataset_type", "part", "did",
        }, one.name  # fmt: skip


def test_what_a_worker_left_that_was_killed_with_its_keeper_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("underbutler.metrics.folder.MEMORY", tmp_path)
    left = tmp_path / "underbutler-metrics-left"
    left.mkdir()
    first = MetricsFolder.make()
    second = MetricsFolder.make()
    assert not left.exists()
    assert first.path.exists(), "this process lives"
    assert first.path != second.path
