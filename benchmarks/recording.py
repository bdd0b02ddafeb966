"""Targets completed by four processes at once, each with its event in the run's ``primary`` stream.

A completion is one short transaction: the target, its claim, its products and notices, the event with its number,
resource, datum and datasets, the job's counters. All writers of one job count on the same row, so that the numbers of
its events have no gap. PostgreSQL commits for good (``synchronous_commit`` is on). Beside it: the same without the
catalogue, writers with a job each, and the event alone.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

from _place import ROOT, own_folder, started
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict

from underbutler.catalog.database.recorder import Added, add_events, begin_run
from underbutler.catalog.handlers.array_layout import FileLayout
from underbutler.migrations import upgrade
from underbutler.model.job import TargetState
from underbutler.recording import JobRecorder
from underbutler.records import Claim, JobStore, Outcome, Product
from underbutler.sql import open_engine, statement, write

WRITERS = 4
TARGET_PER_S = 2000.0
LAYOUT = FileLayout((1024, 1024), "<f4", ("y", "x"))
SCALARS = {"fwhm": 2.31, "n_sources": 1203, "background": 214.5, "zero_point": 27.1, "filter": "r"}


def main() -> None:
    """Measure and print."""
    quick = parse(__doc__).quick
    each = 10 if quick else 250
    print_machine("before")
    with own_folder(), ExitStack() as running:
        sys.path.insert(0, str(ROOT))
        started_at = started(running, "PostgreSQL", "services", "durable_postgres_server")
        if started_at is None:
            return
        url = str(started_at)
        upgrade(url)
        context = multiprocessing.get_context("forkserver")  # fresh processes that share their imports
        context.set_forkserver_preload(["_rounds", *(name for name in sys.modules if name.startswith("underbutler"))])
        barrier = context.Barrier(WRITERS)
        pool = running.enter_context(
            ProcessPoolExecutor(WRITERS, mp_context=context, initializer=get_ready, initargs=(barrier, url))
        )
        variants = {
            "events of one run alone": lambda: events_alone(pool, url, each),
            "targets of one job": lambda: completions(pool, url, each, jobs=1, recorded=True),
            "targets of four jobs": lambda: completions(pool, url, each, jobs=WRITERS, recorded=True),
            "targets of one job, without catalogue": lambda: completions(pool, url, each, jobs=1, recorded=False),
        }
        samples = interleaved(variants, rounds=1 if quick else 7, budget_s=120, warm_up=0 if quick else 1)
    rows = {name: Row(Series(tuple(WRITERS * each / one for one in values))) for name, values in samples.items()}
    print_table(f"{WRITERS} writers, {each} events each", rows, unit="/s", scale=1.0)
    for name in ("events of one run alone", "targets of one job"):
        rate = rows[name].series.median
        verdict(f"≥ {TARGET_PER_S:g} events/s, {name}", f"{rate:.0f}/s", met=rate >= TARGET_PER_S, quick=quick)
    print("every stream was numbered 1, 2, 3 … without a gap")
    print_machine("after")


def completions(pool: ProcessPoolExecutor, url: str, each: int, *, jobs: int, recorded: bool) -> float:
    """Let the writers complete targets that are claimed already; return the seconds that it took them."""
    engine = open_engine(url)
    store = JobStore(engine, JobRecorder() if recorded else None)
    made = [claimed(store, WRITERS * each // jobs + 1) for _ in range(jobs)]  # one more each: the jobs stay open
    claims = [claim for _, held in made for claim in held[:-1]]
    shares = [claims[n * each : (n + 1) * each] for n in range(WRITERS)]
    seconds = together(pool, complete_all, [(share, recorded) for share in shares])
    if recorded:
        for job, _ in made:
            numbered(engine, job, WRITERS * each // jobs)
    engine.dispose()
    return seconds


def events_alone(pool: ProcessPoolExecutor, url: str, each: int) -> float:
    """Let the writers add events to one run, each in a transaction of its own."""
    engine = open_engine(url)
    run = str(uuid.uuid4())
    with write(engine) as connection:
        begin_run(connection, {"uid": run, "time": time.time()})
    seconds = together(pool, add_all, [(run, each)] * WRITERS)
    numbered(engine, run, WRITERS * each)
    engine.dispose()
    return seconds


def claimed(store: JobStore, number: int) -> tuple[str, list[Claim]]:
    """Record a job and claim its targets."""
    from tests.support.records.rows import running

    job, claims = running(store, number)
    return str(job.id), claims


def numbered(engine: Any, run: str, number: int) -> None:
    """Stop if a stream is not numbered without a gap."""
    from sqlalchemy import select

    from underbutler.catalog.database.tables import Descriptor, Event

    with engine.connect() as connection:
        asked = select(Event.seq_num).join(Descriptor, Descriptor.uid == Event.descriptor_uid)
        found = sorted(connection.execute(asked.where(Descriptor.run_uid == run)).scalars())
    if found != list(range(1, number + 1)):
        raise SystemExit(f"run {run}: {len(found)} events are not numbered 1 … {number}")


def get_ready(barrier: Any, url: str) -> None:
    """Prepare a writer."""
    globals().update(barrier=barrier, engine=open_engine(url))


def together(pool: ProcessPoolExecutor, function: Any, args: list[tuple[Any, ...]]) -> float:
    """Call a function in all writers at once; return the time from the first start to the last end, in seconds."""
    spans = [one.result(timeout=300) for one in [pool.submit(at_once, function, *some) for some in args]]
    return max(end for _, end in spans) - min(begin for begin, _ in spans)


def at_once(function: Any, *args: Any) -> tuple[float, float]:
    """Wait for the others, then call; return when it began and ended."""
    work = function(globals()["engine"], *args)
    globals()["barrier"].wait(60)
    begin = time.monotonic()
    work()
    return begin, time.monotonic()


def complete_all(engine: Any, claims: list[Claim], recorded: bool) -> Any:
    """Return what completes some targets."""
    store = JobStore(engine, JobRecorder() if recorded else None)
    outcomes = [outcome() for _ in claims]

    def work() -> None:
        for claim, one in zip(claims, outcomes, strict=True):
            store.claims.complete(claim, one)

    return work


def add_all(engine: Any, run: str, each: int) -> Any:
    """Return what adds some events."""
    keys = {name: {"source": "bench", "dtype": "number", "shape": []} for name in SCALARS}

    def work() -> None:
        for _ in range(each):
            event = Added(uid=str(uuid.uuid4()), time=time.time(), data=SCALARS)
            with statement(engine) as connection:
                add_events(connection, run, "primary", keys, [event])

    return work


def outcome() -> Outcome:
    """Return a done target with one delivered picture and its metadata."""
    calexp = Product(
        dataset_id=uuid.uuid4(),
        dataset_type="calexp",
        data_id={"instrument": "STE3", "detector": 0},
        large=True,
        url=f"s3://annex/{uuid.uuid4()}.fits",
        byte_size=4_200_000,
        sha256="0" * 64,
        layout=LAYOUT,
    )
    metadata = Product(dataset_id=uuid.uuid4(), dataset_type="processCcd_metadata", byte_size=2000)
    return Outcome(
        state=TargetState.DONE, exit_status=0, scalars=json.loads(json.dumps(SCALARS)), seconds=3.2,
        products=[calexp, metadata],
    )  # fmt: skip


if __name__ == "__main__":
    main()
