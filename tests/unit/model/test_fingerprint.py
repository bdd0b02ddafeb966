"""Reasons of one kind have one fingerprint."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from underbutler.model.fingerprint import fingerprint_of, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The frame has 12 saturated rows.", "The frame has 4711 saturated rows."),
        ("gain -0.25 at 1.5e-3 s", "gain +17 at 2 s"),
        (f"Dataset {uuid.UUID(int=1)} is gone.", f"Dataset {uuid.UUID(int=2**127 + 5)} is gone."),
        ("No file /data/night1/a12.fits.", "No file /scratch/b.fits."),
        ("No object s3://lfa-tu/2013/07/12/key-1a2b.fits", "No object s3://lfa-la-palma/x"),
        ("RUN u/ann/processCcd/20261120T041502Z-1a2b3c4d is there", "RUN u/bob/makeBias/x is there"),
        ("No filter 'V' for 'STE3'.", "No filter 'H alpha' for 'KAST'."),
        ("at 0x7f3a12 of digest deadbeef0123", "at 0x1 of digest 0123456789abcdef"),
        ("worker node7/1a2b3c4d died", "worker ccd-2.local/99999999 died"),
        ("child 17 died of SIGKILL", "child 17 died of SIGKILL\nchild 18 died of SIGKILL; child 21 died of SIGKILL"),
        ("two   blanks\there", "two blanks here"),
    ],
)
def test_what_varies_from_case_to_case_does_not_count(one: str, other: str) -> None:
    assert fingerprint_of("Held", one) == fingerprint_of("Held", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("Held", "child died of SIGKILL"), ("Held", "child died of SIGSEGV")),
        (("ValueError", "bad"), ("TypeError", "bad")),
        (("a", "b\nc"), ("a\nb", "c d")),
        (("Held", "it can't open 'x'"), ("Held", "it won't open 'x'")),
        (("Held", "the frame is empty"), ("Held", "the frame is dark")),
        (("Held", ""), ("Held", "something")),
    ],
)
def test_another_reason_has_another_fingerprint(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert fingerprint_of(*one) != fingerprint_of(*other)


def test_a_fingerprint_is_twelve_hex_digits_and_never_changes() -> None:
    """It is stored with each held target: another rendering would tear the groups of an upgraded site apart."""
    told = "child 17 of node/1a died of 'SIGKILL'"
    assert normalised(told) == "child <n> of <path> died of <quoted>"
    known = hashlib.sha256(b"Held\nchild <n> of <path> died of <quoted>").hexdigest()
    assert fingerprint_of("Held", told) == known[:12]


@pytest.mark.parametrize("hostile", ["a" * 65536, "a/" * 40000, "'" * 65536, "0" * 65536, "a:/" * 30000, "\ud800\x00"])
def test_a_hostile_text_is_read_too(hostile: str) -> None:
    """A pattern that goes back and forth would never come to an end of these."""
    assert len(fingerprint_of("Undecodable", hostile)) == 12
