"""What processes count is counted once: in children, in those that were killed, and in those that join."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.support.counting import FAST, shown
from tests.support.services import eventually
from underbutler import metrics
from underbutler.embedded.process import free_port
from underbutler.metrics import CLAIMS, LEASE_RENEWALS, RUN_SECONDS, WORKER_FIT, MetricsFolder
from underbutler.settings import Settings


def in_child(act: Any) -> int:
    """Fork, act in the child, and return how it ended: 0, if it still counts then."""
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)  # a child that waits for ever is ended
        act()
        os._exit(0 if metrics.counting() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_gone_childs_counts_stay_and_its_files_do_not(folder: MetricsFolder) -> None:
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


def test_a_started_process_joins_and_a_lone_one_does_not(folder: MetricsFolder) -> None:
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


def test_a_child_forked_while_a_thread_counts_counts_too(folder: MetricsFolder) -> None:
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


def test_a_full_or_lost_folder_ends_the_counting_only(folder: MetricsFolder) -> None:
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
