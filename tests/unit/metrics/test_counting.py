"""What processes count is counted once: also in children, in children that were killed, and never without a wish."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.counting import FAST, shown
from underbutler import metrics
from underbutler.metrics import BUTLER_OPEN_SECONDS, CLAIMS, RUN_SECONDS, WORKER_FIT, MetricsFolder
from underbutler.records import StandDownReason
from underbutler.redaction import BLOT, forget_all, hide
from underbutler.settings import Settings
from underbutler.sweeper import PARTS


def test_nothing_is_counted_until_somebody_wants_it() -> None:
    assert not metrics.counting()
    CLAIMS.count(**FAST)
    with RUN_SECONDS.timed(**FAST):
        pass
    WORKER_FIT.set(1)
    assert metrics.own() == []


def test_a_counter_exists_before_it_counts_in_its_own_process() -> None:
    assert metrics.begin("beat")
    try:
        samples = shown(*metrics.own())
    finally:
        metrics.end()
    assert samples["underbutler_beat_firings_total", ("fired",)] == 0
    assert {name for name, _ in samples if not name.startswith(("underbutler_beat", "underbutler_sweep"))} == {
        "underbutler_notices_total"
    }


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


def test_files_of_a_worker_killed_with_its_keeper_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("underbutler.metrics.folder.MEMORY", tmp_path)
    left = tmp_path / "underbutler-metrics-left"
    left.mkdir()
    first = MetricsFolder.make()
    second = MetricsFolder.make()
    assert not left.exists()
    assert first.path.exists(), "this process lives"
    assert first.path != second.path
