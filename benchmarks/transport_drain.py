"""How fast one worker takes targets from its broker: the atomic Redis transport, kombu's own, RabbitMQ.

A worker of two children is started on a queue that is full of targets which do nothing; their messages are real ones
(header, reference, digest) and each is looked at in full by Underbutler's consumer, but where Celery's stands. Counted
is the time per target after the first tenth, and the CPU time of the worker's main process, which is what limits it.
Redis is without persistence.
"""

from __future__ import annotations

import math
import os
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from _drain_app import CONSUMER, EVENTS, FOLDER, TASK
from _place import own_folder, settings_in, started
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict

if TYPE_CHECKING:
    from underbutler.settings import Settings

TARGET = 1.4
PATIENCE_S = 120.0
STOCK = "Redis, kombu's transport"
AGAIN = "Redis, kombu's transport, once more"
BARE = "Redis, kombu's transport, Celery's consumer"
ATOMIC = "Redis, atomic transport"
WATCHED = "Redis, atomic transport, events sent"
RABBIT = "RabbitMQ, quorum queue"


@dataclass(frozen=True)
class Spent:
    """Seconds per target, by the clock and of the main process's CPU."""

    clock: float
    cpu: float


@dataclass
class Drain:
    """One variant: which broker, which transport, which consumer."""

    settings: Settings
    folder: Path
    n_targets: int
    empty: Callable[[], object]
    consumer: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self) -> Spent:
        """Fill the queue, drain it by a worker, and return what a target took."""
        self.empty()
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        fill(self.settings, self.n_targets)
        worker = self._start(folder)
        try:
            cpu = self._drained(folder, worker)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
        data = b"".join(file.read_bytes() for file in folder.glob("ran-*"))
        times = sorted(time for (time,) in struct.iter_unpack("d", data))
        first = self.n_targets // 10
        return Spent(clock=(times[-1] - times[first]) / (len(times) - 1 - first), cpu=cpu)

    def _start(self, folder: Path) -> subprocess.Popen[bytes]:
        from underbutler.embedded.stack import environment_of

        environment = {
            **os.environ,
            **environment_of(self.settings),
            "UNDERBUTLER_HOME": str(self.settings.home),
            "PYTHONPATH": str(Path(__file__).parent),
            FOLDER: str(folder),
            **self.environment,
        }
        if self.consumer is not None:
            environment[CONSUMER] = self.consumer
        quiet = ["-l", "WARNING", "-c", "2", "--without-gossip", "--without-mingle"]
        with (folder / "worker.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "_drain_app", "worker", *quiet],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )

    def _drained(self, folder: Path, worker: subprocess.Popen[bytes]) -> float:
        """Wait until all have run; return the CPU time of the main process per target."""
        main_process = psutil.Process(worker.pid)
        deadline = time.monotonic() + PATIENCE_S
        begin: tuple[int, float] | None = None
        while (n_ran := sum(file.stat().st_size for file in folder.glob("ran-*")) // 8) < self.n_targets:
            if time.monotonic() > deadline or worker.poll() is not None:
                raise RuntimeError(f"the worker does not drain: {(folder / 'worker.log').read_text()[-2000:]}")
            if begin is None and n_ran:
                begin = n_ran, sum(main_process.cpu_times()[:2])
            time.sleep(0.05)
        if begin is None:
            return math.nan
        return (sum(main_process.cpu_times()[:2]) - begin[1]) / (n_ran - begin[0])


def fill(settings: Settings, n_targets: int) -> None:
    """Send targets, as a submission does."""
    from underbutler.broker import make_app
    from underbutler.model.dataref import DataRef
    from underbutler.model.message import HEADER, Envelope, digest_of, encode_element

    app = make_app(settings)
    app.conf.task_send_sent_event = False
    config = "c" * 64
    job = uuid.uuid4()
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(n_targets):
            ref = DataRef("demo", {"instrument": "BENCH", "exposure": number, "detector": 0}, run="u/bench/1")
            args = encode_element((ref, {"threshold": 3.0}))
            envelope = Envelope(
                job=job,
                target=uuid.uuid4(),
                send_no=1,
                digest=digest_of(TASK, args, config),
                config=config,
                sent_at=0.0,
            )
            app.send_task(
                TASK,
                args,
                task_id=envelope.task_id,
                queue=settings.queue,
                headers={HEADER: envelope.to_json()},
                producer=producer,
            )
    app.close()


def main() -> None:
    """Measure and print."""
    quick = parse(__doc__).quick
    n_targets = 100 if quick else 4000
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        variants = on_redis(running, folder, n_targets)
        if quick:
            variants = {name: variants[name] for name in (STOCK, ATOMIC)}
        else:
            variants |= on_rabbitmq(running, folder, n_targets)
        samples = interleaved(variants, rounds=1 if quick else 7, budget_s=100, warm_up=0 if quick else 1)
    clock = {name: Series(tuple(one.clock for one in values)) for name, values in samples.items()}
    cpu = {name: Series(tuple(one.cpu for one in values)) for name, values in samples.items()}
    rows = {name: Row(one, clock[STOCK] if name != STOCK else None, cpu[name]) for name, one in clock.items()}
    print_table(f"A target, drained by one worker of two children · {n_targets} targets", rows, note="times as fast")
    for name, one in clock.items():
        print(f"{name}: {1 / one.median:.0f} targets/s")
    ratio = clock[STOCK].median / clock[ATOMIC].median
    verdict(f"≥ {TARGET:g}× kombu's own transport", f"{ratio:.2f}×", met=ratio >= TARGET, quick=quick)
    print_machine("after")


def on_redis(running: ExitStack, folder: Path, n_targets: int) -> dict[str, Callable[[], Spent]]:
    """Start Redis; return its variants."""
    import redis

    from underbutler.embedded.process import Guard
    from underbutler.embedded.servers import start_redis

    server = start_redis(folder / "redis", guard=running.enter_context(Guard()))
    running.callback(server.process.stop)
    client = running.enter_context(redis.Redis.from_url(server.url))
    atomic = settings_in(folder).model_copy(update={"broker_url": server.url})
    stock = atomic.model_copy(update={"redis_transport": "stock"})
    celerys = "celery.worker.consumer:Consumer"
    return {
        STOCK: Drain(stock, folder, n_targets, client.flushdb),
        AGAIN: Drain(stock, folder, n_targets, client.flushdb),
        BARE: Drain(stock, folder, n_targets, client.flushdb, celerys),
        ATOMIC: Drain(atomic, folder, n_targets, client.flushdb),
        WATCHED: Drain(atomic, folder, n_targets, client.flushdb, environment={EVENTS: "yes"}),
    }


def on_rabbitmq(running: ExitStack, folder: Path, n_targets: int) -> dict[str, Callable[[], Spent]]:
    """Start RabbitMQ where it is; return its variant."""
    node: Any = started(running, "RabbitMQ", "services", "rabbitmq_server")
    if node is None:
        return {}
    url = f"amqp://guest:guest@127.0.0.1:{node.amqp_port}//"
    settings = settings_in(folder).model_copy(update={"broker_url": url})
    return {RABBIT: Drain(settings, folder, n_targets, lambda: None)}


if __name__ == "__main__":
    main()
