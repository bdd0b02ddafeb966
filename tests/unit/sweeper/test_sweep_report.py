"""What a sweep says of itself, to people and to programs."""

from __future__ import annotations

from underbutler.errors import BrokerUnavailableError, UsageError
from underbutler.sweeper.report import SweepReport, Tally


def tally(part: str = "messages", **counts: int) -> Tally:
    made = Tally(part)
    for words, number in counts.items():
        made.add(words, number)
    return made


def test_a_line_says_what_was_done_and_leaves_out_what_was_not() -> None:
    made = tally("leases", ended=3, held=0)
    made.add("now queued", 2)
    made.add("now held")
    made.more = True
    assert made.report().line == "leases      3 ended, 2 now queued, 1 now held; more is left for the next sweep"


def test_an_empty_line_says_so_but_not_beside_an_error_or_note() -> None:
    idle, waiting, broken = tally(sent=0), tally(), tally()
    waiting.note("leases are judged in 60 s")
    broken.failed(BrokerUnavailableError("the broker is away"))
    assert idle.report().line == "messages    nothing to do"
    assert waiting.report().line == "messages    leases are judged in 60 s"
    assert broken.report().line == "messages    ERROR the broker is away"


def test_an_error_that_comes_again_is_told_once() -> None:
    made = tally()
    made.failed(UsageError("no such repository"))
    made.failed(UsageError("no such repository"))
    made.failed(UsageError("another"))
    assert [str(error) for error in made.report().errors] == ["no such repository", "another"]


def test_the_whole_report_has_its_parts_errors_and_what_waits() -> None:
    busy, broken = tally("messages", sent=2), tally("notices", sent=0)
    broken.failed(BrokerUnavailableError("away"))
    report = SweepReport(parts=(busy.report(), broken.report()), seconds=0.5)
    assert report["messages"].counts == {"sent": 2}
    assert [str(error) for error in report.errors] == ["away"]
    assert report.did_something
    assert not report.more
    assert not SweepReport(parts=(tally(sent=0).report(),)).did_something
    assert report.to_json() == {
        "seconds": 0.5,
        "more": False,
        "parts": [
            {"part": "messages", "counts": {"sent": 2}, "more": False, "notes": [], "errors": []},
            {
                "part": "notices",
                "counts": {"sent": 0},
                "more": False,
                "notes": [],
                "errors": [{"type": "BrokerUnavailableError", "text": "away"}],
            },
        ],
    }
