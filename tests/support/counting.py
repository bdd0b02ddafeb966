"""Counting in this process, in a folder as a worker does, and what was counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from underbutler import metrics
from underbutler.metrics import MetricsFolder

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
