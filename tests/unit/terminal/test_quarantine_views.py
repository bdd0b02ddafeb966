"""What is in quarantine is shown whole: no id is cut, a reason told three times stands there once, bytes are shown."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.terminal_texts import shown
from underbutler.model.job import Phase, TargetState
from underbutler.records import ClaimRow, ParkedRow, QuarantineGroup
from underbutler.terminal import ClaimsView, each_view, findings_table, groups_view, held_view, parked_view, span_text
from underbutler.terminal.quarantine import raw_text
from underbutler.terminal.reasons import told_once

ID = uuid.UUID("00000001-0000-4000-8000-00001a2b3c4d")
DEATHS = "\n".join(f"claim {number} by w{number}/0{number} died: killed by SIGKILL" for number in (1, 2, 3))


def held(**changes: Any) -> Any:
    fields = {
        "id": ID,
        "job_id": uuid.UUID(int=0x9F8E7D6C),
        "task": "processCcd",
        "state": TargetState.HELD,
        "argsrepr": "exposure=20130713005733 detector=0 instrument='STE3'",
        "error_type": "Held",
        "error_text": DEATHS,
        "fingerprint": "0123456789ab",
        "ended_at": 0.0,
        "deaths": 3,
        "worker_deaths": 0,
        "transient_retries": 0,
        "replayed_as": None,
        "discarded_at": None,
    }
    return SimpleNamespace(**(fields | changes))


def parked(**changes: Any) -> ParkedRow:
    fields: dict[str, Any] = {
        "id": ID,
        "digest": "d" * 64,
        "kind": "undecodable",
        "reason": "The body is no list.",
        "fingerprint": "0123456789ab",
        "queue": "reduce",
        "task": None,
        "headers": None,
        "raw": b"\x00\x01",
        "worker": "w1/01",
        "count": 4,
        "first_at": 0.0,
        "last_at": 60.0,
        "discarded_at": None,
    }
    return ParkedRow(**(fields | changes))


def claim(**changes: Any) -> ClaimRow:
    fields: dict[str, Any] = {
        "target_id": ID,
        "claim_no": 2,
        "worker": "reduce@a-host-with-a-long-name.example.org/1a2b3c4d",
        "pid": 4711,
        "pid_started": None,
        "send_no": 3,
        "started_at": 0.0,
        "ended_at": 90.0,
        "end": "died",
        "reason": "killed by SIGKILL",
        "log": None,
        "metadata": None,
    }
    return ClaimRow(**(fields | changes))


def test_lines_that_differ_only_in_numbers_are_told_once() -> None:
    assert told_once(DEATHS) == "claim 1 by w1/01 died: killed by SIGKILL (and 2 more like it)"
    assert told_once("one\ntwo\nthree\nfour", lines=2) == "one\ntwo …"
    assert told_once("") == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0, "0 s"), (119.4, "119 s"), (120, "2 min"), (7199, "120 min"), (172800, "2 d")]
)
def test_spans_are_told_in_their_largest_unit(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_a_group_says_how_many_of_what_since_when_and_why() -> None:
    group = QuarantineGroup(
        fingerprint="0123456789ab",
        kind="held",
        count=1200,
        task="processCcd",
        first_at=0.0,
        last_at=7000.0,
        sample=ID,
        error_type="Held",
        reason=DEATHS,
    )
    text = shown(groups_view([group], now=7200.0), 80)
    for words in ("0123456789ab", "held 1200  processCcd", "first 2 h ago, last 3 min ago", "1a2b3c4d", "2 more like"):
        assert words in " ".join(text.split("\n")) or words in text


def test_no_id_and_no_fingerprint_is_cut_in_a_narrow_terminal() -> None:
    text = shown(each_view([held()], [parked()]), 60)
    assert text.count("1a2b3c4d") == 2
    assert text.count("0123456789ab") == 2
    assert "exposure=20130713005733" in text
    assert "4 times" in text


@pytest.mark.parametrize("width", [80, 200])
def test_claims_show_worker_times_and_reasons_at_every_width(width: int) -> None:
    live = claim(claim_no=3, ended_at=None, end=None, reason=None)
    text = shown(ClaimsView([claim(), live]), width)
    joined = "".join(text.split())
    for words in (
        "1a2b3c4d",
        "reduce@a-host-with-a-long-name.example.org/1a2b3c4d",
        "4711",
        "01-0100:00:00",
        "00:01:30",
    ):
        assert words in joined
    for words in ("died", "live", "killedbySIGKILL"):
        assert words in joined
    assert "…" not in text


def test_a_held_target_is_shown_with_the_end_of_its_log() -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    job: Any = SimpleNamespace(phase=Phase.ERROR)
    text = shown(held_view(held(), job, [claim(log=log)], {"threshold": 3.0}), 120)
    for words in (
        str(ID),
        "failed",
        '"threshold": 3.0',
        "log of attempt 2, last 20 of 100 lines",
        "line 99",
        "line 80",
    ):
        assert words in text
    assert "line 79\n" not in text
    assert "3 times" in text


def test_a_parked_message_is_shown_with_its_headers_and_bytes() -> None:
    message = parked(headers={"task": "processCcd"}, raw=b"\x80\x81" + b"x" * 4000)
    text = shown(parked_view(message, "Submit with underbutler."), 100)
    for words in (
        "4 times",
        '"task": "processCcd"',
        "Submit with underbutler.",
        "raw, 4002 bytes, the first 512",
        "80 81 78",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b'{"a": 1}\n', '{"a": 1}\n'),
        ("straße".encode(), "straße"),
        (("x" * 2047 + "é").encode(), "x" * 2047),
        (b"\x1b[31mred", "000000  1b 5b 33 31 6d 72 65 64                          .[31mred"),
        (b"\xff\xfe", "000000  ff fe                                            .."),
    ],
)
def test_bytes_are_text_only_where_a_terminal_can_show_them(raw: bytes, text: str) -> None:
    assert raw_text(raw)[0] == text


def test_a_finding_says_what_was_found_and_what_was_done() -> None:
    finding: Any = SimpleNamespace(
        kind="object missing",
        job=ID,
        what="processCcd.calexp",
        url="s3://bucket/key.fits",
        detail="the store has no such object",
        repaired=True,
        told="delivered again from the Butler",
    )
    text = shown(findings_table([finding]), 80)
    for words in ("object missing", "1a2b3c4d", "s3://bucket/key.fits", "no such object", "delivered again"):
        assert words in text
