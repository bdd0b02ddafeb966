"""Repositories of several processes: what another one registers is seen, what a child makes is its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from underbutler.butlers import Repositories, ingest_files
from underbutler.model.dataref import DataRef
from underbutler.settings import Settings

WriteFrame = Callable[..., Path]


def in_another_process(function: Callable[..., None], *args: Any) -> None:
    child = multiprocessing.get_context("fork").Process(target=function, args=args)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def ingest_elsewhere(settings: Settings, files: list[Path]) -> None:
    with Repositories(settings) as repositories:
        assert len(ingest_files(repositories, "tiny", files).ingested) == len(files)


def test_another_processs_detectors_and_filters_are_seen(
    stocked: Repositories, settings: Settings, write_frame: WriteFrame
) -> None:
    """The factory was made before them, and would not see them for ever."""
    with stocked.butler("tiny", writeable=True), stocked.butler("tiny"):
        pass
    files = [
        write_frame("new1.fits", EXPID=7, DETECTOR=5, FILTER="V", value=75),
        write_frame("new2.fits", EXPID=8, DETECTOR=6, FILTER="V", value=86),
    ]
    in_another_process(ingest_elsewhere, settings, files)

    data_id = {"instrument": "CAM", "exposure": 7, "detector": 5}
    with stocked.open(DataRef("tiny", data_id, collections=("CAM/raw",), run="u/ann/reduce/1")) as bound:
        butler = bound.getButler()
        assert bound.get("raw").data[0, 0] == 75
        made = bound.put({"a": 1}, "setting")
        assert bound.put(_image(), "calexp")
        assert bound.put(_image(), "flat")
        assert bound.getButler() is butler
        assert bound.get("raw", exposure=8, detector=6).data[0, 0] == 86
        assert made != bound.put(_image(), "calexp", exposure=8, detector=6)


def test_a_forked_child_makes_butlers_and_leaves_the_parents(stocked: Repositories) -> None:
    def child(parent: int) -> None:
        assert os.getpid() != parent
        with stocked.butler("tiny") as butler:
            assert len(butler.query_datasets("raw", ["CAM/raw"])) == 4
        assert len(stocked._inherited) == 1
        stocked.close()

    with stocked.butler("tiny") as butler:
        for _ in range(2):
            in_another_process(child, os.getpid())
        assert len(butler.query_datasets("raw", ["CAM/raw"])) == 4
    assert stocked._inherited == []


def _image() -> Any:
    import numpy as np

    from underbutler.butlers import CcdImage

    return CcdImage(np.zeros((2, 2)), np.zeros((2, 2), np.uint8), np.ones((2, 2)))
