"""Catalogues of many runs: 10⁴ as files, opened and searched, beside databroker; and up to 10⁶ in databases, searched.

As files: opened, searched for a task, and the uids listed; for the first time, when Underbutler writes its index of the
folder, and by a process that finds it there. Databroker keeps none. As many runs in SQLite too.
In databases: catalogues of 10⁴, 10⁵ and 10⁶ runs, the newest 100 that a search finds, warm; the same search finds as
many in each, so that what it costs shows whether it grows with the catalogue or with the answer. ``--runs`` sets the
largest catalogue.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from _catalogue_runs import run_documents
from _catalogue_work import Answer, search
from _many_runs import exposure_of, fill, last_days
from _peers import DATABROKER, Peer, add_options, started_peer
from _place import own_folder, started
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, timed, verdict

FORMS = ("msgpack", "jsonl")
SIZE = {"events": 10, "fields": 5}
BY_TASK = {"task": "processCcd"}
BY_STATUS = {"task": "processCcd", "exit_status": "success"}
FILES_TARGET = 10.0
SEARCH_TARGET_S = 0.05
NEWEST = 100
DAYS = 3.0


def main() -> None:
    """Measure and print."""
    options = parse(__doc__, add_options, add_runs)
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        os.environ["UNDERBUTLER_HOME"] = str(folder / "home")
        postgres = started(running, "PostgreSQL", "services", "postgres_server")
        server = None if postgres is None else str(postgres)
        search_files(folder / "files", running, options)
        search_databases(folder / "databases", running, server, options)
    print_machine("after")


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the option of this benchmark."""
    parser.add_argument("--runs", type=int, default=10**6, help="of the largest catalogue (default: a million)")


def search_files(folder: Path, running: ExitStack, options: argparse.Namespace) -> None:
    """Compare folders of runs with databroker's."""
    from underbutler.catalog import Broker

    quick = options.quick
    count = 600 if quick else 10_000
    databroker = started_peer(running, "databroker", DATABROKER, "_databroker_side.py", options)
    variants: dict[str, Callable[[], Answer]] = {}
    for form in FORMS:
        place = str(folder / form)
        write_files(Path(place), form, databroker, count)
        opened = partial(Broker, place)
        if databroker is not None:
            variants[f"databroker, {form}"] = partial(databroker.ask, "search", folder=place, form=form, query=BY_TASK)
        variants[f"Underbutler, {form}, for the first time"] = partial(search_unknown, place, BY_TASK)
        variants[f"Underbutler, {form}, opened before"] = partial(search, opened, BY_TASK)
        variants[f"Underbutler, {form}, opened before, and status"] = partial(search, opened, BY_STATUS)
    url = f"sqlite:///{folder}/runs.sqlite"
    fill(url, count)
    variants["Underbutler, SQLite"] = partial(search, partial(Broker, url), BY_TASK)
    answers = interleaved(variants, rounds=1 if quick else 9, budget_s=90, warm_up=0 if quick else 1)
    assert len({one[0]["shown"] for name, one in answers.items() if not name.endswith("status")}) == 1, answers
    whole = {name: Series(tuple(one["open"] + one["work"] for one in many)) for name, many in answers.items()}
    rows = {name: Row(one, None if name == base_of(name) else whole.get(base_of(name))) for name, one in whole.items()}
    title = f"{count} runs: open, search by task ({answers['Underbutler, SQLite'][0]['shown']:.0f} found), list uids"
    print_table(title, rows, note="ratio: to databroker, same form")
    for name, own in whole.items():
        if name.startswith("Underbutler") and not name.endswith("status") and base_of(name) in whole:
            ratio = whole[base_of(name)].median / own.median
            target = f"≥ {FILES_TARGET:g}× less time, {name}"
            verdict(target, f"{ratio:.1f}×", met=ratio >= FILES_TARGET, quick=quick)


def search_unknown(place: str, query: Any) -> Answer:
    """Search a folder of which no index is kept."""
    from underbutler.catalog import Broker
    from underbutler.catalog.files.run_index import RunIndex

    index = RunIndex([place]).path
    index.unlink(missing_ok=True)
    answer = search(partial(Broker, place), query)
    assert index.exists()
    return answer


def search_databases(folder: Path, running: ExitStack, server: str | None, options: argparse.Namespace) -> None:
    """Search catalogues of several sizes."""
    from underbutler.catalog import Broker

    quick = options.quick
    largest = min(options.runs, 500) if quick else options.runs
    sizes = [size for size in (10_000, 100_000, 1_000_000) if size < largest] + [largest]
    folder.mkdir()
    variants: dict[str, Callable[[], float]] = {}
    for size in sizes:
        for database, url in databases(folder, running, server, size).items():
            begin = time.perf_counter()
            fill(url, size)
            print(f"{database}: {size} runs written in {time.perf_counter() - begin:.0f} s", flush=True)
            catalogue = Broker(url)
            variants |= {f"{database}, {size}: {name}": timed(action) for name, action in questions(catalogue, size)}
    measured = interleaved(variants, rounds=1 if quick else 15, budget_s=120, warm_up=0 if quick else 2)
    series = {name: Series(tuple(values)) for name, values in measured.items()}
    for question in dict.fromkeys(name.partition(": ")[2] for name in series):
        asked = {name: one for name, one in series.items() if name.partition(": ")[2] == question}
        rows = {name.partition(": ")[0]: Row(one, asked.get(smallest(name, sizes[0]))) for name, one in asked.items()}
        print_table(question, rows, note="ratio: to the smallest catalogue")
    for name, one in series.items():
        size, question = int(name.partition(", ")[2].partition(":")[0]), name.partition(": ")[2]
        if size == sizes[-1] and question.startswith(f"newest {NEWEST} "):
            target = f"≤ {SEARCH_TARGET_S * 1e3:.0f} ms, {name}"
            verdict(target, f"{one.median * 1e3:.1f} ms", met=one.median <= SEARCH_TARGET_S, quick=quick)


def questions(catalogue: Any, size: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is asked: of the last days each catalogue has as many runs."""
    from underbutler.catalog import TimeRange

    lately = catalogue.search(TimeRange(since=last_days(size, DAYS)))
    found = lately.search(BY_STATUS)
    rare = catalogue.search({"task": "makeBias", "exit_status": "abort"})
    one = catalogue.search(BY_TASK).search({"data_id.exposure": exposure_of(size // 2)})

    def newest(runs: Any, count: int) -> list[Any]:
        return list(islice(runs.values(), count))

    assert len(newest(found, NEWEST)) == NEWEST
    yield f"newest {NEWEST} of task, time and exit status", lambda: newest(found, NEWEST)
    yield f"newest {NEWEST} of task and exit status", lambda: newest(catalogue.search(BY_STATUS), NEWEST)
    yield f"newest {NEWEST} of a rare exit status", lambda: newest(rare, NEWEST)
    yield "newest 10 of task, time and exit status", lambda: newest(found, 10)
    yield "newest 1000 of task, time and exit status", lambda: newest(found, 1000)
    yield "how many of task, time and exit status", lambda: len(found)
    yield "the run of an exposure, of a task", lambda: newest(one, NEWEST)


def smallest(name: str, size: int) -> str:
    """Return the variant of the smallest catalogue."""
    return f"{name.partition(', ')[0]}, {size}: {name.partition(': ')[2]}"


def databases(folder: Path, running: ExitStack, server: str | None, size: int) -> dict[str, str]:
    """Return the URLs of new databases."""
    urls = {"SQLite": f"sqlite:///{folder}/{size}.sqlite"}
    if server is not None:
        from tests.support.services import fresh_database

        urls["PostgreSQL"] = running.enter_context(fresh_database(server))
    return urls


def write_files(folder: Path, form: str, databroker: Peer | None, count: int) -> None:
    """Write runs, one file each, as the suitcase does, or without databroker as we do."""
    if databroker is not None:
        databroker.ask("write", folder=str(folder), form=form, first=0, count=count, **SIZE)
        return
    from underbutler.catalog.files.file_forms import FORMS as OWN

    folder.mkdir(parents=True)
    for number in range(count):
        written = (OWN[form].encode(name, document) for name, document in run_documents(number, **SIZE))
        (folder / f"{number}.{form}").write_bytes(b"".join(written))


def base_of(name: str) -> str:
    """Return the variant that another is compared with: of a database databroker's quicker form, msgpack."""
    return f"databroker, {'jsonl' if 'jsonl' in name else 'msgpack'}"


if __name__ == "__main__":
    main()
