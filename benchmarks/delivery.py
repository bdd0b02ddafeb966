"""A delivery of 256 MiB with checksum and verification, against a bare ``boto3`` ``upload_fileobj`` of the same file.

To the same server: moto over HTTP, and OpenStack Swift where its packages are. Every way of uploading has a process of
its own, which keeps its client as a worker does; its peak memory is printed. There are two bare ones: boto3's default
client signs each body with a SHA-256 over plain HTTP; Underbutler's does not, and is the harder one to compare with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _place import own_folder, started
from _rounds import NAME_WIDTH, Row, Series, interleaved, parse, print_machine, print_table, verdict

MIB = 2**20
TARGET = 0.8
BUCKET = "rubinobs-lfa-bench-simcam"
WAYS = {"bare": "bare upload_fileobj", "same": "bare upload_fileobj, our client", "deliver": "deliver"}
UPLOADER = Path(__file__).with_name("_uploader.py")


@dataclass(frozen=True)
class Sample:
    """One upload: its time, what the uploading process took of a core, and by how much that has grown at most."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def main() -> None:
    """Measure and print."""
    quick = parse(__doc__).quick
    size = (8 if quick else 256) * MIB
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        file = folder / "object.dat"
        with file.open("wb") as sink:
            for _ in range(size // MIB):
                sink.write(os.urandom(MIB))
        stores = start_stores(folder, running, moto_alone=quick)
        variants: dict[str, Callable[[], Sample]] = {}
        for store, environment in stores.items():
            make_bucket(environment)
            for way, name in WAYS.items():
                variants[f"{store}: {name}"] = running.enter_context(uploader(way, file, environment))
        rounds, warm_up = (1, 0) if quick else (9, 1)
        samples = interleaved(variants, rounds=rounds, budget_s=100.0, warm_up=warm_up)
    print_samples(samples, size, list(stores), quick=quick)
    print_machine("after")


def print_samples(samples: dict[str, list[Sample]], size: int, stores: list[str], *, quick: bool) -> None:
    """Print times, memory and verdicts."""
    series = {name: Series(tuple(sample.seconds for sample in taken)) for name, taken in samples.items()}
    rows = {}
    for name, one in series.items():
        base = f"{name.partition(':')[0]}: {WAYS['bare']}"
        cpu = Series(tuple(sample.cpu_seconds for sample in samples[name]))
        rows[name] = Row(one, None if name == base else series[base], cpu)
    title = f"An object of {size // MIB} MiB into the store"
    print_table(title, rows, unit="s", scale=1, note="ratio: speed, to the bare one")
    print(f"\n{'Peak memory of the uploading process':{NAME_WIDTH}}{'MiB grown':>12}{'MiB/s':>12}")
    for name, taken in samples.items():
        grown = max(sample.peak_bytes for sample in taken) / MIB
        print(f"{name:{NAME_WIDTH}}{grown:12.1f}{size / MIB / series[name].median:12.0f}")
    for store in stores:
        own = series[f"{store}: {WAYS['deliver']}"]
        for way in ("bare", "same"):
            ratio = series[f"{store}: {WAYS[way]}"].median / own.median
            target = f"≥ {TARGET:g} of the speed of {WAYS[way]}, {store}"
            verdict(target, f"{ratio:.2f}", met=ratio >= TARGET, quick=quick)


def start_stores(folder: Path, running: ExitStack, *, moto_alone: bool) -> dict[str, dict[str, str]]:
    """Start the S3 servers and return the settings that lead to each."""
    from underbutler.embedded.process import Guard
    from underbutler.embedded.servers import start_s3

    guard = running.enter_context(Guard())
    moto = start_s3(folder / "s3", guard=guard)
    running.callback(moto.process.stop)
    stores = {"moto": environment_of(moto.url, "testing", "testing")}
    swift: Any = None if moto_alone else started(running, "OpenStack Swift", "swift.service", "swift_server")
    if swift is not None:
        stores["Swift"] = environment_of(swift.url, swift.access_key, swift.secret_key)
    return stores


def environment_of(url: str, access_key: str, secret_key: str) -> dict[str, str]:
    """Return the variables that point Underbutler at a store."""
    return {
        "UNDERBUTLER_S3_ENDPOINT_URL": url,
        "UNDERBUTLER_S3_ACCESS_KEY_ID": access_key,
        "UNDERBUTLER_S3_SECRET_ACCESS_KEY": secret_key,
    }


def make_bucket(environment: dict[str, str]) -> None:
    """Make the bucket of a store."""
    from underbutler.annex import ensure_bucket, make_client
    from underbutler.settings import Settings

    values: dict[str, Any] = {name.removeprefix("UNDERBUTLER_").lower(): value for name, value in environment.items()}
    ensure_bucket(make_client(Settings(_env_file=None, **values)), BUCKET)


@contextmanager
def uploader(way: str, file: Path, environment: dict[str, str]) -> Iterator[Callable[[], Sample]]:
    """Run a process that uploads the file each time the variant is called."""
    home = {"UNDERBUTLER_HOME": str(file.parent / "home")}
    with subprocess.Popen(
        [sys.executable, UPLOADER, way, file, BUCKET],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment, **home},
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, answers = process.stdin, process.stdout

        def answer() -> str:
            line = answers.readline()
            assert line, f"the process that uploads by {way!r} has ended"
            return line

        def upload() -> Sample:
            told.write("go\n")
            return Sample(**json.loads(answer()))

        assert answer() == "ready\n"
        yield upload  # leaving the block closes its stdin, which ends it, and waits


if __name__ == "__main__":
    main()
