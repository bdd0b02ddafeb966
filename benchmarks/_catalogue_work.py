"""What is measured of a catalogue, in the same words for every library. Imports none of ours.

Each function opens anew, with nothing kept from the time before, and returns seconds and what shows that the work was
the same.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

Answer = dict[str, float]


def read(open_run: Callable[[], Any]) -> Answer:
    """Read a stream into xarray."""
    gc.collect()
    begin = time.perf_counter()
    run = open_run()
    opened = time.perf_counter()
    dataset = run["primary"].read()
    end = time.perf_counter()
    fields = sorted(name for name in dataset.data_vars if name.startswith("field_"))
    shown = sum(float(dataset[name].values.sum()) for name in fields)
    return {"open": opened - begin, "work": end - opened, "shown": shown}


def documents(open_run: Callable[[], Any], *, singly: bool = False, again: bool = False, **words: Any) -> Answer:
    """Replay a run's documents.

    Parameters
    ----------
    open_run
        Opens the catalogue and takes the run.
    singly
        Whether pages of events are taken apart.
    again
        Whether the second replay of the same run is measured.
    **words
        For the run's ``documents``.
    """
    from event_model import unpack_event_page

    gc.collect()
    begin = time.perf_counter()
    run = open_run()
    if again:
        for _ in run.documents(**words):
            pass
    opened = time.perf_counter()
    count = events = 0
    for name, document in run.documents(**words):
        count += 1
        if name == "event_page":
            events += sum(1 for _ in unpack_event_page(document)) if singly else len(document["uid"])
        elif name == "event":
            events += 1
    end = time.perf_counter()
    return {"open": 0.0 if again else opened - begin, "work": end - opened, "shown": events, "documents": count}


def search(open_catalogue: Callable[[], Any], query: Any) -> Answer:
    """Find runs, and list their uids."""
    gc.collect()
    begin = time.perf_counter()
    catalogue = open_catalogue()
    opened = time.perf_counter()
    found = list(catalogue.search(query))
    end = time.perf_counter()
    return {"open": opened - begin, "work": end - opened, "shown": len(found)}
