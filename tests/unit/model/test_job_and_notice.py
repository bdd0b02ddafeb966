"""Which phase and state may follow which; and what a notice says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbutler.errors import MessageError
from underbutler.model.job import Phase, TargetState, may_follow, phase_when_ended
from underbutler.model.notice import LargeFileObjectAvailable

NOTICE = LargeFileObjectAvailable(
    url="s3://bucket/2013/07/12/key.fits",
    generator="processCcd.calexp",
    version=1.0,
    byteSize=5_000_000_000,
    checkSum="ab" * 32,
    mimeType="application/fits",
    id="object-1",
    job="j",
    target="t",
    dataset="d",
    data_id={"instrument": "STE3", "exposure": 1},
    sent_at=1.5,
)


@given(st.sampled_from(TargetState), st.sampled_from(TargetState))
def test_nothing_follows_a_last_state(before: TargetState, after: TargetState) -> None:
    if before.ended:
        assert not may_follow(before, after)


def test_a_target_never_jumps_from_queued_to_done() -> None:
    assert not may_follow(TargetState.QUEUED, TargetState.DONE)
    assert may_follow(TargetState.RUNNING, TargetState.QUEUED)
    assert not may_follow(TargetState.DELIVERING, TargetState.QUEUED)


def test_a_stop_is_never_reopened() -> None:
    for phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED):
        assert phase.ended
        assert [after for after in Phase if may_follow(phase, after)] == [Phase.ARCHIVED]


@pytest.mark.parametrize(
    ("counts", "phase"),
    [
        ({TargetState.DONE: 3, TargetState.NO_WORK: 1}, Phase.COMPLETED),
        ({TargetState.DONE: 3, TargetState.FAILED: 1}, Phase.ERROR),
        ({TargetState.HELD: 1, TargetState.ABORTED: 1}, Phase.ERROR),
        ({TargetState.DONE: 3, TargetState.ABORTED: 1}, Phase.ABORTED),
        ({}, Phase.COMPLETED),
    ],
)
def test_the_phase_of_an_ended_job_says_how_its_targets_ended(counts: dict[TargetState, int], phase: Phase) -> None:
    assert phase_when_ended(counts) is phase


def test_a_notice_survives_json() -> None:
    assert LargeFileObjectAvailable.from_json(json.loads(json.dumps(NOTICE.to_json()))) == NOTICE


def test_a_notice_of_a_newer_release_still_decodes() -> None:
    assert LargeFileObjectAvailable.from_json(NOTICE.to_json() | {"colour": "blue"}) == NOTICE


@pytest.mark.parametrize("change", [{"url": "http://x"}, {"byteSize": "5"}, {"url": None}, {"version": "one"}])
def test_a_notice_that_does_not_decode_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        LargeFileObjectAvailable.from_json(NOTICE.to_json() | change)


def test_a_notice_knows_its_object_and_topic() -> None:
    assert (NOTICE.bucket, NOTICE.key) == ("bucket", "2013/07/12/key.fits")
    assert NOTICE.routing_key == "STE3.processCcd.calexp"


def test_sal_holds_only_32_bits() -> None:
    with pytest.raises(OverflowError, match="clip_size"):
        NOTICE.for_sal()
    assert NOTICE.for_sal(clip_size=True)["byteSize"] == 0
    assert set(NOTICE.for_sal(clip_size=True)) == {
        "url",
        "generator",
        "version",
        "byteSize",
        "checkSum",
        "mimeType",
        "id",
    }
