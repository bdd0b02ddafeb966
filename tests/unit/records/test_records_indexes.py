"""What is asked every few seconds is found by an index, however many targets there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from record_rows import explained
from sqlalchemy import Engine

from underbutler.records import JobStore

FREQUENT: dict[str, Callable[[JobStore], Any]] = {
    "ix_target_unsent": lambda store: store.take_unsent(),
    "ix_target_sent": lambda store: (
        store.oldest_sent("reduce", 10),
        store.queued_and_sent("reduce"),
        store.queues(),
    ),
    "ix_target_leased": lambda store: (
        store.claims_of_worker("w1"),
        store.renew_worker("w1", [1], 60),
        store.expired_claims(),
    ),
    "ix_target_unchecked": lambda store: store.ended_unchecked(),
    "ix_target_held": lambda store: store.held(fingerprint="f"),
    "ix_notice_unsent": lambda store: store.take_unsent_notices(),
}


@pytest.mark.parametrize("index", list(FREQUENT))
def test_a_frequent_question_has_an_index(store: JobStore, engine: Engine, index: str) -> None:
    plans = explained(engine)
    FREQUENT[index](store)

    assert any(index in plan for plan in plans.values())
    for statement, plan in plans.items():
        assert "SCAN target\n" not in f"{plan}\n", f"{statement}\n{plan}"
