"""What is asked every few seconds is found by an index, however many targets there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.records.rows import explained
from underbutler.records import JobStore

FREQUENT: dict[str, Callable[[JobStore], Any]] = {
    "ix_target_unsent": lambda store: store.outbox.take(),
    "ix_target_sent": lambda store: (
        store.outbox.oldest_sent("reduce", 10),
        store.outbox.count_sent("reduce"),
        store.outbox.queues(),
    ),
    "ix_target_leased": lambda store: (
        store.leases.of_worker("w1"),
        store.leases.renew_worker("w1", [1], 60),
        store.leases.expired(),
    ),
    "ix_target_unchecked": lambda store: store.sweep.ended_unchecked(),
    "ix_target_held": lambda store: store.quarantine.held(fingerprint="f"),
    "ix_notice_unsent": lambda store: store.outbox.take_notices(),
}


@pytest.mark.parametrize("index", list(FREQUENT))
def test_a_frequent_question_has_an_index(store: JobStore, engine: Engine, index: str) -> None:
    plans = explained(engine)
    FREQUENT[index](store)

    assert any(index in plan for plan in plans.values())
    for statement, plan in plans.items():
        assert "SCAN target\n" not in f"{plan}\n", f"{statement}\n{plan}"
