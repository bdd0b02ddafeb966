"""How a stream is cut into parts, and what the store should say of them."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbutler.annex.parts import (
    MAX_PARTS,
    MIB,
    MIN_PART_BYTES,
    PartDigest,
    check_end,
    composite_crc32,
    multipart_etag,
    part_size,
    read_into,
)
from underbutler.errors import IntegrityError, UsageError

TIB = 2**40


@given(size=st.integers(0, 40 * TIB), wished=st.integers(1, 2**30))
def test_parts_are_never_too_small_nor_too_many(size: int, wished: int) -> None:
    part = part_size(size, wished)
    assert part >= max(wished, MIN_PART_BYTES)
    assert -(-size // part) <= MAX_PARTS


def test_a_wished_size_is_kept_while_ten_thousand_parts_suffice() -> None:
    assert part_size(10_000 * 8 * MIB, 8 * MIB) == 8 * MIB
    assert part_size(10_000 * 8 * MIB + 1, 8 * MIB) == 9 * MIB


@pytest.mark.parametrize("size", [-1, 10_000 * 5 * 2**30 + 1])
def test_a_size_that_no_object_can_have_is_refused(size: int) -> None:
    with pytest.raises(UsageError):
        part_size(size, 8 * MIB)


def test_digests_of_known_bytes() -> None:
    digest = PartDigest.of(b"123456789")
    assert digest.etag == "25f9e794323b453885f5181f1b624d0b"
    assert digest.crc32.hex() == "cbf43926"  # the check value of CRC-32
    assert digest.content_md5 == base64.b64encode(bytes.fromhex("25f9e794323b453885f5181f1b624d0b")).decode()


def test_the_etag_of_two_parts_is_the_md5_of_their_md5s() -> None:
    parts = [PartDigest.of(b"a"), PartDigest.of(b"b")]
    both = bytes.fromhex("0cc175b9c0f1b6a831c399e269772661" + "92eb5ffee6ae2fec3ad71c777531578f")
    assert multipart_etag(parts) == hashlib.md5(both).hexdigest() + "-2"
    assert len(base64.b64decode(composite_crc32(parts))) == 4


class Dribble(io.RawIOBase):
    """Gives less than it is asked for, as sockets do."""

    def __init__(self, data: bytes, steps: list[int]) -> None:
        self._data, self._steps, self._at = data, steps, 0

    def read(self, size: int = -1) -> bytes:
        step = min(size, self._steps[self._at % len(self._steps)])
        data, self._data, self._at = self._data[:step], self._data[step:], self._at + 1
        return data


@given(data=st.binary(max_size=500), steps=st.lists(st.integers(1, 50), min_size=1), count=st.integers(0, 600))
def test_a_stream_that_gives_little_at_a_time_is_read_whole(data: bytes, steps: list[int], count: int) -> None:
    buffer, digest = bytearray(count), hashlib.sha256()
    got = read_into(buffer, Dribble(data, steps), count, digest)  # type: ignore[arg-type]
    assert got == min(len(data), count)
    assert buffer[:got] == data[:got]
    assert len(buffer) == count
    assert digest.digest() == hashlib.sha256(data[:got]).digest()


def test_a_short_and_a_long_source_are_told_from_a_right_one() -> None:
    check_end(io.BytesIO(b""), got=3, size=3, name="x")
    with pytest.raises(IntegrityError, match="ended after 2 of 3"):
        check_end(io.BytesIO(b""), got=2, size=3, name="x")
    with pytest.raises(IntegrityError, match="more than the 3"):
        check_end(io.BytesIO(b"z"), got=3, size=3, name="x")
