"""Deliver a generated stream and print by how many MiB the process grew at most.

``annex_memory.py URL ACCESS_KEY SECRET_KEY BUCKET SIZE_MIB PART_MIB``. The delivery tests run it as a process.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from pathlib import Path

from underbutler.annex import deliver, ensure_bucket, make_client
from underbutler.settings import Settings

MIB = 2**20


class Generated(io.RawIOBase):
    """A stream of a size that is nowhere in memory; every MiB begins with its number."""

    def __init__(self, size: int) -> None:
        self._left, self._number, self._block = size, 0, bytes(range(256)) * 4096

    def read(self, size: int = -1) -> bytes:
        count = min(size, self._left, MIB)
        self._left -= count
        self._number += 1
        return (self._number.to_bytes(8, "big") + self._block)[:count]


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / MIB


def main() -> None:
    url, access_key, secret_key, bucket, size_mib, part_mib = sys.argv[1:]
    settings = Settings(
        _env_file=None,
        s3_endpoint_url=url,
        s3_access_key_id=access_key,
        s3_secret_access_key=secret_key,  # type: ignore[arg-type]
    )
    client = make_client(settings)
    ensure_bucket(client, bucket)
    deliver_one(client, bucket, 1, part_mib)  # what is loaded once is not counted
    before = peak = resident_mib()
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident_mib())

    watcher = threading.Thread(target=look)
    watcher.start()
    begin = time.perf_counter()
    try:
        deliver_one(client, bucket, int(size_mib), part_mib)
    finally:
        done.set()
        watcher.join()
    print(f"{time.perf_counter() - begin:.1f} s", file=sys.stderr)  # noqa: T201
    print(peak - before)  # noqa: T201 - the answer of this program


def deliver_one(client: object, bucket: str, size_mib: int, part_mib: str) -> None:
    deliver(
        client,
        Generated(size_mib * MIB),  # type: ignore[arg-type]
        bucket=bucket,
        key="generated.dat",
        size=size_mib * MIB,
        mime_type="application/octet-stream",
        metadata={},
        part_bytes=int(part_mib) * MIB,
    )


if __name__ == "__main__":
    main()
