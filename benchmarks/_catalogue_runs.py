"""Runs whose documents follow from their number. Also the processes of other libraries use it: it imports none of ours.

A run is one night's minute of a task: few words in its start, scalars in its events.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from typing import Any

FIRST = 1_790_000_000.0
SPACING_S = 30.0
"""Time of the first run, in seconds since 1970, and from one to the next."""

TASKS = ("processCcd",) * 6 + ("quickLook",) * 3 + ("makeBias",)
STATUSES = ("success",) * 90 + ("fail",) * 9 + ("abort",)


def task_of(number: int) -> str:
    """Return the task of a run: six of ten are ``processCcd``."""
    return TASKS[number * 7 % 10]


def status_of(number: int) -> str:
    """Return how a run ended: of ten of one task nine with success, of a hundred one was aborted."""
    return STATUSES[(number // 10) * 37 % 100]


def time_of(number: int) -> float:
    """Return when a run began."""
    return FIRST + number * SPACING_S


def run_documents(number: int, *, events: int, fields: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of a run: one stream of scalars."""
    draw = random.Random(number)

    def uid() -> str:
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))

    run, descriptor, begin = uid(), uid(), time_of(number)
    yield (
        "start",
        {
            "uid": run,
            "time": begin,
            "scan_id": number + 1,
            "task": task_of(number),
            "label": "night",
            "owner": "ann",
            "run": f"u/ann/{task_of(number)}/{number:08d}",
            "data_id": {"instrument": "STE3", "exposure": [20_130_713_000_000 + number], "detector": 0},
        },
    )
    keys = [f"field_{place:02d}" for place in range(fields)]
    yield (
        "descriptor",
        {
            "uid": descriptor,
            "run_start": run,
            "time": begin,
            "name": "primary",
            "data_keys": {key: {"dtype": "number", "shape": [], "source": "bench"} for key in keys},
            "object_keys": {"bench": keys},
            "configuration": {"bench": {"data": {}, "timestamps": {}, "data_keys": {}}},
            "hints": {"bench": {"fields": keys[:1]}},
        },
    )
    for row in range(events):
        yield (
            "event",
            {
                "uid": uid(),
                "descriptor": descriptor,
                "seq_num": row + 1,
                "time": begin + 1e-3 * row,
                "data": {key: draw.random() for key in keys},
                "timestamps": dict.fromkeys(keys, begin + 1e-3 * row),
                "filled": {},
            },
        )
    yield (
        "stop",
        {
            "uid": uid(),
            "run_start": run,
            "time": begin + 20.0,
            "exit_status": status_of(number),
            "reason": "",
            "num_events": {"primary": events},
        },
    )
