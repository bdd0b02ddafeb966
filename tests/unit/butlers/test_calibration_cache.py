"""The calibration cache: bounded in bytes, least recently used first out, read-only."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.examples import examples
from underbutler.butlers.calibration_cache import CalibrationCache
from underbutler.butlers.images import CcdImage

IDENTITIES = [uuid.UUID(int=number) for number in range(6)]


def test_a_second_get_does_not_read() -> None:
    cache = CalibrationCache(100)
    first = cache.get(IDENTITIES[0], lambda: np.zeros(2))
    assert cache.get(IDENTITIES[0], lambda: pytest.fail("read again")) is first
    assert (cache.misses, cache.hits) == (1, 1)


def test_arrays_are_read_only_wherever_they_stand() -> None:
    image = CcdImage(np.zeros((2, 2)), np.zeros((2, 2), np.uint8), np.ones((2, 2)))
    kept = CalibrationCache(10**6).get(IDENTITIES[0], lambda: {"a": [image]})
    for array in (image.image, image.mask, image.variance, kept["a"][0].image):
        assert not array.flags.writeable


def test_an_image_larger_than_the_cache_is_not_kept() -> None:
    cache = CalibrationCache(7)
    big = cache.get(IDENTITIES[0], lambda: np.zeros(1))
    assert big.flags.writeable
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_a_header_is_each_readers_own() -> None:
    cache = CalibrationCache(10**6)

    def read() -> Any:
        return CcdImage(np.zeros((2, 2)), np.zeros((2, 2), np.uint8), np.ones((2, 2)), header=fits.Header({"A": 1}))

    cache.get(IDENTITIES[0], read).header["A"] = 2
    assert cache.get(IDENTITIES[0], read).header["A"] == 1


def test_a_component_is_an_entry_of_its_own() -> None:
    cache = CalibrationCache(100)
    cache.get(IDENTITIES[0], lambda: np.zeros(1))
    assert cache.get(IDENTITIES[0], lambda: np.ones(1), "mask")[0] == 1


class CacheAgainstList(RuleBasedStateMachine):
    """The cache against a list in order of use."""

    @initialize(limit=st.integers(0, 80))
    def start(self, limit: int) -> None:
        self.cache = CalibrationCache(limit)
        self.used: list[tuple[uuid.UUID, int]] = []

    @rule(which=st.sampled_from(IDENTITIES), size=st.integers(1, 50))
    def get(self, which: uuid.UUID, size: int) -> None:
        known = dict(self.used)
        value = self.cache.get(which, lambda: np.zeros(size, np.uint8))
        assert len(value) == known.get(which, size)
        self.used = [entry for entry in self.used if entry[0] != which]
        if which in known or size <= self.cache.limit_bytes:
            self.used.append((which, len(value)))
        while sum(entry[1] for entry in self.used) > self.cache.limit_bytes:
            self.used.pop(0)

    @invariant()
    def is_within_its_bound(self) -> None:
        if hasattr(self, "cache"):
            assert self.cache.size_bytes == sum(size for _, size in self.used) <= self.cache.limit_bytes
            assert len(self.cache) == len(self.used)


CacheAgainstList.TestCase.settings = settings(max_examples=examples(50))
TestCacheAgainstList = CacheAgainstList.TestCase
