"""A run of 10⁴ events × 20 scalars: read into xarray, and replayed as documents; by Underbutler, databroker and tiled.

Every time the catalogue is opened anew, with nothing kept from before. Of files databroker and Underbutler read the
very same ones, which the suitcases of Bluesky have written. A library may do its work when it opens a run or when it
reads it: what is compared is the sum. Databroker takes minutes to read 10⁴ events: it does it once, of msgpack, and
rounds are made with a tenth of them. Other libraries have environments of their own, which are made once
(``--environments``) or left out (``--alone``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from _catalogue_runs import run_documents
from _catalogue_work import Answer, documents, read
from _peers import DATABROKER, TILED, Peer, add_options, started_peer
from _place import own_folder, started
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict

FORMS = ("msgpack", "jsonl")
TARGETS = {"read": 10.0, "documents": 5.0}
FIELDS = 20
TITLES = {
    "read": "into xarray",
    "read, short": "into xarray",
    "documents": 'documents(fill="no")',
    "documents, singly": 'documents(fill="no"), pages taken apart into events',
    "documents, again": 'documents(fill="no") of a run that was replayed before',
}

Variants = dict[str, Callable[[], Answer]]


def main() -> None:
    """Measure and print."""
    options = parse(__doc__, add_options)
    quick = options.quick
    events, short = (60, 20) if quick else (10_000, 1000)
    rounds, budget_s, warm_up = (1, 10.0, 0) if quick else (5, 120.0, 1)
    print_machine("before")
    with own_folder() as folder, ExitStack() as running:
        databroker = started_peer(running, "databroker", DATABROKER, "_databroker_side.py", options)
        tiled = started_peer(running, "tiled", TILED, "_tiled_side.py", options)
        size = {"events": events, "fields": FIELDS}
        variants: Variants = {}
        for form in FORMS:
            write_files(folder / form, form, databroker, size)
            write_files(folder / f"{form}-short", form, databroker, size | {"events": short})
            variants |= of_short(databroker, form, str(folder / f"{form}-short"))
            if databroker is not None:
                variants |= of_databroker(databroker, form, str(folder / form))
        if tiled is not None:
            tiled.ask("write", folder=str(folder / "tiled"), first=0, count=1, **size)
            variants |= of_tiled(tiled)
        for name, place in places(folder, running, size).items():
            variants |= of_place(name, place)
        answers = interleaved(variants, rounds=rounds, budget_s=budget_s, warm_up=warm_up)
        check_alike(answers)
        print_answers(answers, {"read, short": short}, events, quick=quick)
        if databroker is not None:
            print("\ndatabroker reads the whole run once, of msgpack …", flush=True)
            print_long(databroker.ask("read", folder=str(folder / "msgpack"), form="msgpack"), answers, quick=quick)
    print_machine("after")


def write_files(folder: Path, form: str, databroker: Peer | None, size: Mapping[str, int]) -> None:
    """Write the run into a file as the suitcase does, or without databroker as we do."""
    if databroker is not None:
        databroker.ask("write", folder=str(folder), form=form, first=0, count=1, **size)
        return
    from underbutler.catalog.files.file_forms import FORMS as OWN

    folder.mkdir()
    written = (OWN[form].encode(name, document) for name, document in run_documents(0, **size))
    (folder / f"run.{form}").write_bytes(b"".join(written))


def places(folder: Path, running: ExitStack, size: Mapping[str, int]) -> dict[str, str]:
    """Return where the run is for us, by name: the same files, and databases that it is written into."""
    from underbutler.catalog.database.store import CatalogStore
    from underbutler.migrations import upgrade

    found = {form: str(folder / form) for form in FORMS}
    databases = {"SQLite": f"sqlite:///{folder}/runs.sqlite"}
    postgres = started(running, "PostgreSQL", "services", "postgres_server")
    if postgres is not None:
        databases["PostgreSQL"] = str(postgres)
    for url in databases.values():
        upgrade(url)
        CatalogStore.open(url).import_run(run_documents(0, **size))
    return found | databases


def of_databroker(peer: Peer, form: str, folder: str) -> Variants:
    """Return what databroker does with a file."""
    place = {"folder": folder, "form": form}
    replay = partial(peer.ask, "documents", **place)
    return {
        f"documents: databroker, {form}": partial(replay, singly=False, again=False),
        f"documents, singly: databroker, {form}": partial(replay, singly=True, again=False),
        f"documents, again: databroker, {form}": partial(replay, singly=False, again=True),
    }


def of_short(peer: Peer | None, form: str, folder: str) -> Variants:
    """Return how a file of fewer events is read."""
    from underbutler.catalog import Broker

    found: Variants = {f"read, short: Underbutler, {form}": partial(read, lambda: Broker(folder)[-1])}
    if peer is not None:
        found[f"read, short: databroker, {form}"] = partial(peer.ask, "read", folder=folder, form=form)
    return found


def of_tiled(peer: Peer) -> Variants:
    """Return what tiled does. Its documents hold one event each."""
    return {
        "read: tiled": partial(peer.ask, "read"),
        "documents: tiled": partial(peer.ask, "documents"),
    }


def of_place(name: str, place: str) -> Variants:
    """Return what we do with a place."""
    from underbutler.catalog import Broker

    def newest() -> object:
        return Broker(place)[-1]

    replay = partial(documents, newest, fill="no")
    return {
        f"read: Underbutler, {name}": partial(read, newest),
        f"documents: Underbutler, {name}": replay,
        f"documents, singly: Underbutler, {name}": partial(replay, singly=True),
        f"documents, again: Underbutler, {name}": partial(replay, again=True),
    }


def check_alike(answers: Mapping[str, list[Answer]]) -> None:
    """Stop if one has not done the work of the others: other values, or another number of events."""
    for work in TITLES:
        shown = {name: many[0]["shown"] for name, many in answers.items() if name.startswith(f"{work}:")}
        first = next(iter(shown.values()))
        assert all(math.isclose(one, first, rel_tol=1e-9) for one in shown.values()), shown


def print_answers(
    answers: Mapping[str, list[Answer]], events_of: Mapping[str, int], events: int, *, quick: bool
) -> None:
    """Print times and verdicts."""
    whole = {name: in_all(many) for name, many in answers.items()}
    for work, title in TITLES.items():
        rows = {
            name.partition(": ")[2]: Row(one, None if name == base_of(name) else whole.get(base_of(name)))
            for name, one in sorted(whole.items())
            if name.startswith(f"{work}:")
        }
        count = events_of.get(work, events)
        print_table(f"{count} events × {FIELDS} scalars, {title}", rows, note="ratio: to databroker, same form")
    print()
    for name, many in answers.items():
        if name.startswith(("read:", "documents:")):
            held = f"; {many[0]['documents']:.0f} documents" if "documents" in many[0] else ""
            opening = Series(tuple(one["open"] for one in many)).median
            print(f"{name}: opening {opening * 1e3:.1f} ms of {whole[name].median * 1e3:.1f}{held}")
    for name, own in whole.items():
        work, _, who = name.partition(": ")
        if work in TARGETS and who.startswith("Underbutler") and base_of(name) in whole:
            ratio = whole[base_of(name)].median / own.median
            target = f"≥ {TARGETS[work]:g}× less time, {work}, {who}"
            verdict(target, f"{ratio:.1f}×", met=ratio >= TARGETS[work], quick=quick)


def print_long(once: Answer, answers: Mapping[str, list[Answer]], *, quick: bool) -> None:
    """Compare with what databroker took for the whole run."""
    seconds = once["open"] + once["work"]
    print(f"read: databroker, msgpack, once: {seconds:.1f} s")
    for name, many in answers.items():
        if name.startswith("read:"):
            assert math.isclose(many[0]["shown"], once["shown"], rel_tol=1e-9)
            ratio = seconds / in_all(many).median
            if "Underbutler" not in name:
                print(f"{name}: {ratio:.0f}× less time")
                continue
            verdict(
                f"≥ {TARGETS['read']:g}× less time, {name}", f"{ratio:.0f}×", met=ratio >= TARGETS["read"], quick=quick
            )


def in_all(many: Sequence[Answer]) -> Series:
    """Return what opening and the work took together."""
    return Series(tuple(one["open"] + one["work"] for one in many))


def base_of(name: str) -> str:
    """Return the variant that another is compared with: of a database databroker's quicker form, msgpack."""
    work, _, who = name.partition(": ")
    return f"{work}: databroker, {'jsonl' if who.endswith('jsonl') else 'msgpack'}"


if __name__ == "__main__":
    main()
