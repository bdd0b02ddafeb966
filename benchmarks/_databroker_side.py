"""The same work by databroker 1.2.5, in an environment of its own: one request per line, answered by what it took."""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from _catalogue_runs import run_documents
from _catalogue_work import documents, read, search

warnings.simplefilter("ignore")


def main() -> None:
    """Answer requests until there are no more."""
    told = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        request = json.loads(line)
        answer = globals()[f"do_{request.pop('do')}"](**request)
        print(json.dumps(answer), file=told, flush=True)


def do_versions() -> dict[str, str]:
    """Return what is compared with."""
    from importlib.metadata import version

    return {name: version(name) for name in ("databroker", "suitcase-msgpack", "suitcase-jsonl", "xarray")}


def do_write(folder: str, form: str, first: int, count: int, events: int, fields: int) -> int:
    """Write runs, one file each, as the suitcases do."""
    suitcase = importlib.import_module(f"suitcase.{form}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        with suitcase.Serializer(folder) as serializer:
            for name, document in run_documents(number, events=events, fields=fields):
                serializer(name, document)
    return count


def do_read(folder: str, form: str) -> dict[str, float]:
    """Read the run of a folder."""
    return read(lambda: catalogue(folder, form)[-1])


def do_documents(folder: str, form: str, singly: bool, again: bool) -> dict[str, float]:
    """Replay the run of a folder."""
    return documents(lambda: catalogue(folder, form)[-1], singly=singly, again=again, fill="no")


def do_search(folder: str, form: str, query: Any) -> dict[str, float]:
    """Open a folder and search it. Start documents are all that it searches."""
    return search(lambda: catalogue(folder, form), query)


def catalogue(folder: str, form: str) -> Any:
    """Open a folder of runs."""
    from databroker._drivers.jsonl import BlueskyJSONLCatalog
    from databroker._drivers.msgpack import BlueskyMsgpackCatalog

    kind = {"jsonl": BlueskyJSONLCatalog, "msgpack": BlueskyMsgpackCatalog}[form]
    return kind([f"{folder}/*.{form}"])


if __name__ == "__main__":
    main()
