"""A client of a server of runs while another one asks searches that look at every number of large documents.

``underbutler runs serve`` on SQLite: 1000 runs, of which 3 hold an array of 1.6 million numbers. The quiet client asks
for the newest runs, and for those of a task, over and over; "beside hostile searches" two others keep two searches
going.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from _place import own_folder
from _rounds import Row, Series, parse, print_machine, print_table, verdict

MOST = 2.0
HOSTILE = {"$or": [{"a": {"$elemMatch": {"$elemMatch": {"$elemMatch": {"$gt": 1e9 + n}}}}} for n in range(4)]}


def main() -> None:
    """Measure and print."""
    import httpx

    quick = parse(__doc__).quick
    print_machine("before")
    with own_folder() as folder:
        url = catalogue(folder, 50, 1, side=10) if quick else catalogue(folder, 1000, 3, side=40)
        port = free_port()
        words = ["runs", "serve", "--port", str(port), "--catalog", url]
        server = subprocess.Popen([sys.executable, "-m", "underbutler", "--home", str(folder), *words])
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                answered(client)
                alone, beside = measured(client, blocks=1 if quick else 4, requests=5 if quick else 25)
        finally:
            server.terminate()
            server.wait()
    series = {"alone": Series(tuple(alone)), "beside hostile searches": Series(tuple(beside))}
    first = series["alone"]
    print_table(
        "Two requests of a quiet client", {name: Row(one, first) for name, one in series.items()}, unit="ms", scale=1e3
    )
    times = series["beside hostile searches"].median / first.median
    verdict(f"≤ {MOST:g}×", f"{times:.2f}×", met=times <= MOST, quick=quick)
    print_machine("after")


def catalogue(folder: Path, runs: int, large: int, side: int) -> str:
    """Make a catalogue of so many runs, the first of them with side x side x 1000 numbers; return its URL."""
    from underbutler.catalog.database.store import CatalogStore
    from underbutler.migrations import upgrade

    url = f"sqlite:///{folder / 'runs.db'}"
    upgrade(url)
    store = CatalogStore.open(url)
    for number in range(runs):
        more: dict[str, Any] = {"a": [[list(range(1000))] * side] * side} if number < large else {}
        start = {"uid": f"run-{number:06}", "time": 1000.0 + number, "task": f"task{number % 7}", **more}
        store.insert("start", start)
    return url


def measured(client: Any, blocks: int, requests: int) -> tuple[list[float], list[float]]:
    """Return seconds of the quiet client's requests, alone and beside, in blocks by turns."""
    import httpx

    alone: list[float] = []
    beside: list[float] = []
    for _ in range(blocks):
        alone += [asked(client) for _ in range(requests)]
        over = threading.Event()

        def keep_asking(over: threading.Event = over) -> None:
            with httpx.Client(base_url=client.base_url, timeout=120) as other:
                while not over.is_set():
                    assert other.get("/runs", params={"where": json.dumps(HOSTILE)}).status_code in {200, 400, 503}

        others = [threading.Thread(target=keep_asking) for _ in range(2)]
        for one in others:
            one.start()
        time.sleep(0.2)
        beside += [asked(client) for _ in range(requests)]
        over.set()
        for one in others:
            one.join()
    return alone, beside


def asked(client: Any) -> float:
    """Return the seconds of two requests."""
    began = time.perf_counter()
    for query in ({"limit": 20, "skip": 3}, {"limit": 20, "where": '{"task": "task5"}'}):
        assert client.get("/runs", params=query).status_code == 200
    return time.perf_counter() - began


def answered(client: Any) -> None:
    """Wait for the server."""
    import httpx

    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            client.get("/runs", params={"limit": 0})
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit("the server did not answer within a minute")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
