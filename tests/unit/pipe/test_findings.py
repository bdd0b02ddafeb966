"""Findings of a look before: told together, with one line of words to copy."""

from __future__ import annotations

import pytest

from underbutler.pipe.findings import Finding, FindingsError, Look

NO_DARK = Finding(
    group="24 frames of CAM detector 0",
    what="no dark is valid",
    cure="Make one.",
    targets=tuple(range(24)),
    example="exposure=1 detector=0",
    overrides=("doDark=false",),
)
OVERLAP = Finding(group="The bias", what="it overlaps", cure="Replace.", targets=(24,), options=("--replace",))


def test_all_findings_are_one_error_with_one_line_to_copy() -> None:
    gain = Finding(group="2 frames", what="no gain", targets=(3, 30), overrides=("isr.gain=1.5", "doDark=false"))
    with pytest.raises(FindingsError) as caught:
        Look(findings=(NO_DARK, OVERLAP, gain)).raise_if_failing()
    assert str(caught.value).splitlines() == [
        "26 targets would fail, for 3 reasons that are known now. Nothing was written.",
        "  - 24 frames of CAM detector 0 (e.g. exposure=1 detector=0): no dark is valid. Make one.",
        "  - The bias: it overlaps. Replace.",
        "  - 2 frames: no gain.",
        "To run it as things are, add: -c doDark=false isr.gain=1.5 --replace",
        "To send it all the same: --no-check.",
    ]
    assert caught.value.fields["words"] == ["-c", "doDark=false", "isr.gain=1.5", "--replace"]


def test_without_words_for_one_finding_there_is_no_line() -> None:
    gone = Finding(group="1 frame", what="its file is gone", targets=(0,))
    assert Look(findings=(NO_DARK, gone)).words == ()


def test_what_is_only_said_refuses_nothing() -> None:
    scaled = Finding(group="3 frames", what="a dark of 30 s is scaled", targets=(0, 1, 2), fails=False)
    look = Look(findings=(scaled,))
    look.raise_if_failing()
    assert look.warnings == (scaled,)
    assert look.failing == frozenset()
