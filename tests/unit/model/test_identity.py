from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from underbutler.model.identity import Identities, is_named, new_id, short_id

MOMENT_NS = 0x0193_B0C4_7D2E * 1_000_000


def ticks(*milliseconds: int) -> Identities:
    times: Iterator[int] = iter([MOMENT_NS + one * 1_000_000 for one in milliseconds])
    return Identities(lambda: next(times))


def test_an_identity_is_a_uuid_7_that_begins_with_its_moment() -> None:
    made = ticks(0).make()
    assert (made.version, made.variant) == (7, UUID(int=0, version=4).variant)
    assert str(made).startswith("0193b0c4-7d2e-7000-")


def test_identities_of_one_moment_are_counted() -> None:
    identities = ticks(0, 0, 0, 1)
    assert [identities.make().hex[:16] for _ in range(4)] == [
        "0193b0c47d2e7000",
        "0193b0c47d2e7001",
        "0193b0c47d2e7002",
        "0193b0c47d2f7000",
    ]


def test_a_clock_that_goes_back_changes_no_order() -> None:
    identities = ticks(5, *([0] * 5000), 5)
    made = [identities.make() for _ in range(5002)]
    assert made == sorted(made)
    assert len(set(made)) == 5002
    assert {one.version for one in made} == {7}
    assert made[4096].hex[:16] == "0193b0c47d347000", "the full counter has carried into the next millisecond"


def test_identities_of_one_process_ascend() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(set(made))


def test_two_processes_make_others_at_the_same_moment() -> None:
    one, other = ticks(0).make(), ticks(0).make()
    assert one.hex[:16] == other.hex[:16]
    assert one != other


def test_a_child_forked_while_its_parent_made_one_makes_its_own() -> None:
    identities = ticks(0)
    with identities._lock:
        identities.forget_lock()
        assert identities.make().version == 7


def test_people_are_shown_the_end_of_an_id_which_differs() -> None:
    assert short_id(UUID("0193b0c4-7d2e-7000-8000-00003cf68d8b")) == "3cf68d8b"
    identities = ticks(*([0] * 500))
    assert len({short_id(identities.make()) for _ in range(500)}) == 500


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("0193b0c4-7d2e-7000-8000-00003cf68d8b", True),
        ("0", True),
        ("0193B0C4", True),
        (" 3CF68D8B ", True),
        ("8d8b", True),
        ("d8b", False),
        ("", False),
        ("7d2e", False),
    ],
)
def test_a_part_names_an_identity(name: str, fits: bool) -> None:
    assert is_named(UUID("0193b0c4-7d2e-7000-8000-00003cf68d8b"), name) is fits
