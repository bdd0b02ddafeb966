"""What the catalogue must say of every job, whatever happened: compared with the rows of the records."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from sqlalchemy import Engine, select

from underbutler.catalog.database import tables as runs
from underbutler.model.job import Phase, TargetState
from underbutler.records.tables import jobs as records
from underbutler.sql import read

STATUS = {Phase.COMPLETED: "success", Phase.ERROR: "fail", Phase.ABORTED: "abort"}


def check_runs(engine: Engine) -> None:
    """Compare every run with its job: one start, one event per ended target, numbers without a gap, one stop."""
    with read(engine) as connection:
        jobs = {str(row.id): row for row in connection.execute(select(*records.Job.__table__.columns))}
        targets = {str(row.id): row for row in connection.execute(select(*records.Target.__table__.columns))}
        made = {str(row.dataset_id) for row in connection.execute(select(*records.Product.__table__.columns))}
        begun = {row.uid: row for row in connection.execute(select(*runs.Run.__table__.columns))}
        streams = {row.uid: row for row in connection.execute(select(*runs.Descriptor.__table__.columns))}
        events = connection.execute(select(*runs.Event.__table__.columns)).all()
        counted = connection.execute(select(*runs.StreamCount.__table__.columns)).all()
        datasets = {row.uid for row in connection.execute(select(*runs.Dataset.__table__.columns))}
    assert begun.keys() == jobs.keys(), "each job is a run, from its submission on"
    of_run: defaultdict[str, list[Any]] = defaultdict(list)
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        descriptor = streams[event.descriptor_uid]
        of_run[descriptor.run_uid].append(event)
        numbers[descriptor.run_uid, descriptor.stream].append(event.seq_num)
        if event.uid in targets:
            state = targets[event.uid].state
            assert state.ended
            assert (descriptor.stream == "problems") == (state is not TargetState.DONE)
            said = json.loads(event.data).get("exit_status", "done")
            assert said == state.value
    assert all(sorted(some) == list(range(1, len(some) + 1)) for some in numbers.values()), "no gap, none twice"
    assert {key: len(some) for key, some in numbers.items()} == {
        (row.run_uid, row.name): row.n_events for row in counted
    }
    assert made <= datasets, "every product is found by its dataset"
    for uid, job in jobs.items():
        _check_run(job, begun[uid], of_run[uid], [row for row in targets.values() if str(row.job_id) == uid])


def _check_run(job: Any, run: Any, events: list[Any], targets: list[Any]) -> None:
    assert (run.start["task"], run.start["scan_id"], run.start["num_points"]) == (job.task, job.scan_id, job.n_targets)
    assert len({event.uid for event in events}) == len(events) == job.n_targets - job.n_open
    assert (run.stop is None) == (not job.phase.ended), "the stop comes with the job's end, neither before nor after"
    if job.phase is not Phase.ARCHIVED:
        assert {event.uid for event in events} == {str(row.id) for row in targets if row.state.ended}
    if run.stop is None:
        return
    assert run.exit_status == run.stop["exit_status"] in STATUS.values()
    assert sum(run.stop["counts"].values()) == job.n_targets
    if job.phase is not Phase.ARCHIVED:
        assert run.exit_status == STATUS[job.phase]
        assert run.stop["counts"] == Counter(row.state.value for row in targets)
