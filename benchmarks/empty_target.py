"""The whole cost of Underbutler around a task that does nothing, part by part.

Real targets of a real job (submitted by ``prepare``, precall and ``JobStore``; records and registry in SQLite) are run
by the function that the Celery task calls, in this process. Left out are the broker and Celery itself. A task that does
nothing still puts its ``{name}_metadata``: the second variant has none, which tells what that costs, and two puts by a
bare Butler of the same object stand beside it.
"""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _empty_tasks
from _place import own_folder, settings_in
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict
from _stopwatch import REST, Spent, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from underbutler.context import ServiceContext
    from underbutler.records import Outgoing

TARGET_MS = 10.0
VARIANTS = {"with metadata": _empty_tasks.PLAIN, "without metadata": _empty_tasks.BARE}


def main() -> None:
    """Measure and print."""
    from underbutler.context import ServiceContext

    quick = parse(__doc__).quick
    n_targets = 3 if quick else 200
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        settings = settings_in(folder)
        _empty_tasks.install(folder / "packages")
        sys.path.append(str(folder / "packages"))
        log_like_a_worker(folder / "worker.log")
        context = running.enter_context(ServiceContext(settings))
        make_site(folder, context, n_targets)
        stopwatch = Stopwatch()
        variants: dict[str, Callable[[], Mapping[str, Spent]]] = {
            name: run_one(iter(submitted(context, task)), stopwatch, context) for name, task in VARIANTS.items()
        }
        variants |= bare_puts(running, context, stopwatch)
        watch_parts(stopwatch)
        warm_up = 1 if quick else 5
        samples = interleaved(variants, rounds=n_targets - warm_up, budget_s=50, warm_up=warm_up)
    whole = {name: print_parts(name, samples[name]) for name in VARIANTS}
    puts = {name: row_of(parts, [PUT]) for name, parts in samples.items() if name not in VARIANTS}
    print_table("Beside it: the same object, put by a bare Butler", puts)
    for name, row in whole.items():
        took = row.series.median * 1e3
        verdict(f"≤ {TARGET_MS:g} ms in all, {name}", f"{took:.2f} ms", met=took <= TARGET_MS, quick=quick)
    own = row_of(samples["with metadata"], [part for part in (*PARTS, REST) if part != PUT]).series.median * 1e3
    print(f"with metadata, but for the Butler's own put: {own:.2f} ms")
    print_machine("after")


def print_parts(name: str, samples: list[Mapping[str, Spent]]) -> Row:
    """Print the parts of one variant, in the order in which they come; return the whole."""
    names = [part for part in PARTS if any(part in sample for sample in samples)]
    rows = {part: row_of(samples, [part]) for part in [*names, REST]}
    whole = row_of(samples, [*names, REST])
    print_table(f"An empty runDataRef, {name}", rows | {"in all": whole})
    return whole


def row_of(samples: list[Mapping[str, Spent]], parts: list[str]) -> Row:
    """Return the line of some parts together."""
    spent = [sum((sample.get(part, Spent()) for part in parts), Spent()) for sample in samples]
    return Row(Series(tuple(one.clock for one in spent)), cpu=Series(tuple(one.cpu for one in spent)))


ADMIT = "admission: scratch, memory"
DECODE = "decode: JSON, header, references"
CLAIM = "claim"
JOB = "job and config, from memory"
BIND = "butler: make, bind, close"
LEFT = "look for leftovers of dead claims"
COMMAND = "parsed command"
RUNNER = "runner: make the task, call it"
METADATA = "metadata: encode, find its place"
INTEND = "metadata: intent into the records"
PUT = "metadata: put into the Butler"
ARTIFACTS = "artifacts: file, size, large or not"
DELIVER = "deliver (nothing is large)"
COMPLETE = "complete"
PARTS = (
    ADMIT, DECODE, CLAIM, JOB, BIND, LEFT, COMMAND, RUNNER, METADATA, INTEND, PUT, ARTIFACTS, DELIVER, COMPLETE,
)  # fmt: skip


def watch_parts(stopwatch: Stopwatch) -> None:
    """Wrap the functions that `workers.target.run.run_target` is made of."""
    from lsst.daf.butler.direct_butler import DirectButler

    from underbutler.context import ServiceContext
    from underbutler.pipe import CmdLineTask
    from underbutler.records.datasets.intents import Intents
    from underbutler.records.targets.claims import Claims
    from workers.target import reducing
    from workers.target import run as target

    stopwatch.wrap(target, "check_fitness", ADMIT)
    stopwatch.wrap(target, "readable", DECODE)
    stopwatch.wrap(Claims, "grant", CLAIM)
    stopwatch.wrap(ServiceContext, "job_and_config", JOB)
    stopwatch.wrap(reducing, "declared_types", JOB)
    stopwatch.wrap_context(reducing, "bound_target", BIND)
    stopwatch.wrap(reducing, "clear_leftovers", LEFT)
    stopwatch.wrap(reducing, "worker_command", COMMAND)
    stopwatch.wrap(reducing, "_call", RUNNER)
    stopwatch.wrap(CmdLineTask, "writeMetadata", METADATA)
    stopwatch.wrap(Intents, "record", INTEND)
    stopwatch.wrap(DirectButler, "put", PUT)
    stopwatch.wrap(reducing, "artifacts_of", ARTIFACTS)
    stopwatch.wrap(target, "deliver_first", DELIVER)
    stopwatch.wrap(Claims, "complete", COMPLETE)


def run_one(
    waiting: Iterator[Outgoing], stopwatch: Stopwatch, context: ServiceContext
) -> Callable[[], Mapping[str, Spent]]:
    """Return a variant that runs the next target from its message's bytes, as the Celery task does."""
    from underbutler.model.message import Envelope, TargetMessage
    from underbutler.pipe import load_task
    from workers.target import run as way

    classes: dict[str, Any] = {name: load_task(name) for name in VARIANTS.values()}

    def run() -> Mapping[str, Spent]:
        message = next(waiting).message
        body = json.dumps([message.args, message.envelope.to_json()])

        def work() -> None:
            with stopwatch.part(DECODE):
                args, header = json.loads(body)
                received = TargetMessage(message.task, tuple(args), Envelope.from_json(header))
            way.run_target(received, context, classes[message.task], worker="bench", pid=1)

        return stopwatch.measure(work)

    return run


def bare_puts(
    running: ExitStack, context: ServiceContext, stopwatch: Stopwatch
) -> dict[str, Callable[[], Mapping[str, Spent]]]:
    """Return variants that put an empty metadata by a butler that stays open: with a UUID given, and with a new one."""
    from lsst.daf.butler import DatasetIdGenEnum, DatasetRef, DatasetType
    from lsst.pipe.base import TaskMetadata

    run = "u/bench/puts"
    butler = running.enter_context(context.repositories.butler("demo", writeable=True, run=run))
    butler.registry.registerRun(run)
    given, new = (
        DatasetType(name, ("instrument", "exposure", "detector"), "TaskMetadata", universe=butler.dimensions)
        for name in ("benchGiven", "benchNew")
    )
    for dataset_type in (given, new):
        butler.registry.registerDatasetType(dataset_type)
    places = [ref.dataId for ref in butler.query_datasets("raw", collections="SIMCAM/raw", with_dimension_records=True)]
    mode = DatasetIdGenEnum.DATAID_TYPE_RUN
    refs = iter([DatasetRef(given, place, run=run, id_generation_mode=mode) for place in places])
    ids = iter(places)
    return {
        "butler.put, UUID given, as Underbutler does": lambda: stopwatch.measure(
            lambda: butler.put(TaskMetadata(), next(refs))
        ),
        "butler.put, UUID made by the Butler": lambda: stopwatch.measure(
            lambda: butler.put(TaskMetadata(), new, next(ids))
        ),
    }


def make_site(folder: Path, context: ServiceContext, n_targets: int) -> None:
    """Make records and a repository with one small raw frame per target."""
    from underbutler.butlers import create_repository, ingest_files
    from underbutler.migrations import upgrade
    from underbutler.testing.night import simulate_night

    upgrade(context.settings.records_url)
    create_repository(folder / "repo", "demo", context.settings)
    night = simulate_night(folder / "night", n_bias=(n_targets + 1) // 2, n_flat=0, n_science=0, shape=(64, 64))
    report = ingest_files(context.repositories, "demo", night.files, transfer="direct")
    assert len(report.ingested) >= n_targets


def submitted(context: ServiceContext, task: str) -> list[Outgoing]:
    """Record a job with one target per raw frame, as `underbutler.submission.submit` does, and take its messages."""
    from underbutler.records import NewJob, NewStep
    from underbutler.submission.preparing import prepare

    words = ["demo", "--id", "instrument=SIMCAM", "--no-versions"]
    with prepare(task, words, repositories=context.repositories, user="bench") as prepared:
        command = prepared.command
        prepared.runner.precall_or_raise(command.parsed_cmd)
        step = NewStep(
            label=task,
            task=task,
            config=command.config_json,
            config_digest=command.config_digest,
            targets=prepared.targets,
            overrides=command.overrides,
            options=command.options,
        )
        job = NewJob(
            id=prepared.job,
            repo=command.repo,
            out=command.out,
            run=command.run,
            user="bench",
            steps=[step],
            versions={},
            collections=list(command.collections),
            queue="bench",
        )
    return sent(context, context.jobs.submissions.create_job(job).id)


def sent(context: ServiceContext, job: uuid.UUID) -> list[Outgoing]:
    """Take a job's messages and mark them as sent."""
    taken = context.jobs.outbox.take(job=job, limit=10**6)
    context.jobs.outbox.mark_sent([(one.message.envelope.target, one.message.envelope.send_no) for one in taken])
    return taken


def log_like_a_worker(path: Path) -> None:
    """Log what a worker logs, and write it to a file."""
    from underbutler.telemetry.logs import configure

    configure()
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(path.open("w", encoding="utf-8"))


if __name__ == "__main__":
    main()
