"""What past targets took: quantiles by task and instrument, of those that are done."""

from __future__ import annotations

from tests.support.databases import ON_BOTH
from tests.support.records.rows import claim_of, new_job, new_target
from underbutler.model.job import TargetState
from underbutler.records import JobStore, Outcome

pytestmark = ON_BOTH


def done(store: JobStore, instrument: str, seconds: list[float], state: TargetState = TargetState.DONE) -> None:
    targets = [new_target(data_id={"instrument": instrument, "exposure": number}) for number in range(len(seconds))]
    store.submissions.create_job(new_job(targets))
    for target, took in zip(targets, seconds, strict=True):
        store.claims.complete(claim_of(store, target.id), Outcome(state=state, seconds=took))


def test_quantiles_are_of_one_task_and_instrument(store: JobStore) -> None:
    done(store, "CAM", [float(number) for number in range(1, 11)])
    done(store, "OTHER", [100.0])
    done(store, "CAM", [1000.0], TargetState.FAILED)
    past = store.estimates.past("processCcd", "CAM")
    assert (past.count, past.median_s, past.p90_s, past.longest_s) == (10, 5.0, 9.0, 10.0)
    assert past.total_s(200) == 1000.0
    assert store.estimates.past("makeBias", "CAM").count == 0


def test_what_was_never_run_has_no_estimate(store: JobStore) -> None:
    past = store.estimates.past("processCcd", "CAM")
    assert (past.count, past.median_s, past.total_s(3), past.total_bytes(3)) == (0, None, None, 0)
