"""What a look found and what a job may take, in lines for people."""

from __future__ import annotations

from rich.console import Console

from underbutler.pipe.findings import Finding, Look
from underbutler.records import PastTargets
from underbutler.terminal import estimate_text, look_text


def shown(look: Look) -> str:
    console = Console(width=20, record=True, file=None, quiet=False)
    with console.capture() as caught:
        console.print(look_text(look), soft_wrap=True)
    return caught.get()


def past(**fields: float) -> PastTargets:
    known = {"count": 20, "median_s": 3.0, "p90_s": 5.0, "longest_s": 9.0, "median_bytes": 2_000_000}
    return PastTargets(task="processCcd", instrument="CAM", **(known | fields))


def test_findings_are_listed_under_what_they_do() -> None:
    findings = (
        Finding(group="2 frames", what="no bias is valid", targets=(0, 1), overrides=("doBias=false",)),
        Finding(group="1 frame", what="its dark is scaled", targets=(2,), fails=False),
    )
    assert shown(Look(findings=findings, looked_at=("the files of 3 frames", "the bias of each"))).splitlines() == [
        "Looked at the files of 3 frames; the bias of each.",
        "2 targets would fail:",
        "  - 2 frames: no bias is valid.",
        "To be known:",
        "  - 1 frame: its dark is scaled.",
        "To run it as things are, add: -c doBias=false",
    ]


def test_a_task_that_says_nothing_is_not_looked_at() -> None:
    assert "nothing was looked at" in shown(Look())
    assert "Nothing is missing" in shown(Look(looked_at=("the files of 3 frames",)))


def test_an_estimate_is_shared_by_the_processes() -> None:
    text = estimate_text([past()], [200], 4)
    assert "200 targets of processCcd of CAM: 3.0 s each by the median of the latest 20" in text
    assert "one in ten took over 5.0 s" in text
    assert "10 min of one process" in text
    assert "400 MB will be delivered" in text
    assert "4 processes of workers take from the queue now: about 2 min in all." in text


def test_without_a_past_or_a_worker_that_is_said() -> None:
    never = PastTargets(
        task="makeBias", instrument="CAM", count=0, median_s=None, p90_s=None, longest_s=None, median_bytes=0
    )
    assert estimate_text([never], [2], 1) == "2 targets of makeBias of CAM: no estimate, for none was run before."
    assert "No worker takes from the queue now" in estimate_text([past()], [1], 0)
