"""What it costs that metrics are counted.

Real targets of a task that does nothing and puts nothing are run by the function that the Celery task calls, in this
process, which counts into files as a worker's child does, or counts nothing. What Celery's events cost is told by
``transport_drain.py``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _empty_tasks
from _place import own_folder, settings_in
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict
from _stopwatch import Spent
from empty_target import log_like_a_worker, make_site, submitted

if TYPE_CHECKING:
    from underbutler.context import ServiceContext
    from underbutler.records import Outgoing

TARGET = 0.05
NOT_COUNTED, AGAIN, COUNTED = "nothing is counted", "nothing is counted, once more", "metrics are counted"


def main() -> None:
    """Measure and print."""
    quick = parse(__doc__).quick
    print_machine("before")
    with own_folder() as folder:
        counted = of_metrics(folder, quick=quick)
    print_table("A target that does nothing and puts nothing", counted, note="times as fast")
    cpu = {name: row.cpu.median for name, row in counted.items() if row.cpu is not None}
    extra = cpu[COUNTED] - cpu[NOT_COUNTED]
    part = extra / cpu[NOT_COUNTED]
    print(f"metrics: {extra * 1e6:.0f} µs of CPU a target")
    verdict(f"metrics ≤ {TARGET:.0%} of the CPU of an empty target", f"{part:.1%}", met=part <= TARGET, quick=quick)
    print_machine("after")


def of_metrics(folder: Path, *, quick: bool) -> dict[str, Row]:
    """Run empty targets, counted and not."""
    from underbutler import metrics
    from underbutler.context import ServiceContext
    from underbutler.metrics import instruments

    n_targets = 3 if quick else 400
    (folder / "counts").mkdir()
    _empty_tasks.install(folder / "packages")
    sys.path.append(str(folder / "packages"))
    log_like_a_worker(folder / "worker.log")
    with ExitStack() as running:
        context = running.enter_context(ServiceContext(settings_in(folder)))
        make_site(folder, context, n_targets)
        metrics.begin("worker", folder / "counts")
        counting = instruments._counting
        variants = {
            NOT_COUNTED: runner(context, None),
            AGAIN: runner(context, None),
            COUNTED: runner(context, counting),
        }
        warm_up = 1 if quick else 10
        samples = interleaved(variants, rounds=n_targets - warm_up, budget_s=25, warm_up=warm_up)
    clock = {name: Series(tuple(one.clock for one in values)) for name, values in samples.items()}
    cpu = {name: Series(tuple(one.cpu for one in values)) for name, values in samples.items()}
    base = clock[NOT_COUNTED]
    return {name: Row(one, None if name == NOT_COUNTED else base, cpu[name]) for name, one in clock.items()}


def runner(context: ServiceContext, counting: Any) -> Callable[[], Spent]:
    """Return a variant that runs the next target of a job of its own, and returns what it took.

    Parameters
    ----------
    context
        What a worker's process has open.
    counting
        What is counted with; None: nothing is.
    """
    from underbutler.metrics import instruments
    from underbutler.pipe import load_task
    from workers.target import run as way

    waiting: Iterator[Outgoing] = iter(submitted(context, _empty_tasks.BARE))
    task_class: Any = load_task(_empty_tasks.BARE)

    def run() -> Spent:
        message = next(waiting).message
        instruments._counting = counting
        clock, cpu = time.perf_counter(), time.process_time()
        way.run_target(message, context, task_class, worker="bench", pid=1)
        return Spent(clock=time.perf_counter() - clock, cpu=time.process_time() - cpu)

    return run


if __name__ == "__main__":
    main()
