"""Elements of a target list that are run again, with a RUN of their own."""

from __future__ import annotations

from underbutler.model.dataref import DataRef
from underbutler.pipe.binding import moved_element


def ref(run: str) -> DataRef:
    return DataRef("demo", {"instrument": "CAM", "detector": 0}, run=run)


def test_runs_below_the_jobs_move_along_and_others_stay() -> None:
    element = (ref("u/a/1"), {"more": [ref("u/a/1/bin2x2"), ref("u/a/10"), ref("u/b")]})
    first, kwargs = moved_element(element, "u/a/1", "u/a/2")
    assert [first.run, *(one.run for one in kwargs["more"])] == ["u/a/2", "u/a/2/bin2x2", "u/a/10", "u/b"]
