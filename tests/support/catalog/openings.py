"""Two ways to open a run in memory, which have to read the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.catalog.runs import Memory, NpyHandler
from underbutler.catalog import BlueskyRun


def fast(memory: Memory, **kwargs: Any) -> BlueskyRun:
    return BlueskyRun.of(memory.source(get_columns=memory.columns, get_datums=memory.datums), **kwargs)


def slow(memory: Memory, **kwargs: Any) -> BlueskyRun:
    return BlueskyRun.of(memory.source(), **kwargs)


Opening = Callable[..., BlueskyRun]
both_ways = pytest.mark.parametrize("opened", [fast, slow])


def any_filler() -> Any:
    from underbutler.catalog import FillerFactory

    return FillerFactory({"NPY": NpyHandler})
