"""Which master a frame gets: by settings, time and exposure time; and what differs when it gets none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.instruments.master_choice import FrameFacts, Master, choose_master
from underbutler.instruments.setups import Setup, read_setup

MAP = InstrumentMap.model_validate({"name": "X", "match": {"INSTRUME": "X"}})
SETUP = Setup(shape="10x20", binning="1x1", gain="100", offset="10", temperature=-10.0)
FRAME = FrameFacts(setup=SETUP, seconds=60.0, begin=100, end=160)


def master(name: str = "m", *, begin: int = 0, end: int = 1000, seconds: float | None = None, **setup: Any) -> Master:
    return Master(
        dataset=name,
        collection="X/calib",
        begin=begin,
        end=end,
        validity="then",
        setup=replace(SETUP, **setup),
        seconds=seconds,
        without_bias=True,
    )


def chosen(name: str, *masters: Master, has_bias: bool = True) -> Any:
    found = choose_master(name, FRAME, masters, tolerance=1.0, has_bias=has_bias)
    return found.master and found.master.dataset


@pytest.mark.parametrize(
    ("setup", "key"),
    [
        ({"shape": "5x10"}, "shape"),
        ({"binning": "2x2"}, "binning"),
        ({"read_mode": "fast"}, None),  # the frame does not say its own
        ({"gain": "200"}, "gain"),
        ({"offset": "20"}, "offset"),
        ({"temperature": -8.9}, "temperature"),
        ({"temperature": -9.1}, None),
        ({"gain": None}, None),
    ],
)
def test_the_key_that_differs_is_named(setup: dict[str, Any], key: str | None) -> None:
    found = choose_master("bias", FRAME, [master(**setup)], tolerance=1.0)
    assert [one.key for one in found.differences] == ([] if key is None else [key])
    assert (found.master is None) == (key is not None)


def test_the_reason_says_what_either_has() -> None:
    found = choose_master("bias", FRAME, [master(gain="200"), master(gain="200", offset="0")], tolerance=1.0)
    assert found.reason == "the nearest bias differs in gain: the frame has 100, the master 200"
    assert choose_master("flat", FRAME, [], tolerance=1.0).reason == "there is no flat of this detector and filter"


def test_a_master_of_another_time_is_not_valid() -> None:
    found = choose_master("bias", FRAME, [master(end=100)], tolerance=1.0)
    assert [(one.key, one.frame) for one in found.differences] == [("time", "1970-01-01T00:00:00")]
    assert chosen("bias", master(end=101)) == "m"


def test_of_two_that_fit_the_nearest_temperature_wins() -> None:
    assert chosen("bias", master("far", temperature=-9.2), master("near", temperature=-10.1)) == "near"


def test_a_master_that_says_its_setting_wins() -> None:
    assert chosen("bias", master("silent", shape=None, gain=None), master("said")) == "said"


def test_a_flat_may_be_of_another_temperature() -> None:
    assert chosen("flat", master(temperature=5.0)) == "m"
    assert chosen("flat", master(gain="0")) is None


def test_a_dark_of_the_same_exposure_time_comes_first() -> None:
    scaled, same = master("300 s", seconds=300.0, temperature=-10.0), master("60 s", seconds=60.0, temperature=-9.5)
    found = choose_master("dark", FRAME, [scaled, same], tolerance=1.0)
    assert (found.master, found.warning) == (same, "")


def test_a_dark_is_scaled_only_with_a_bias_and_a_warning() -> None:
    scaled = master(seconds=300.0)
    found = choose_master("dark", FRAME, [scaled], tolerance=1.0)
    assert found.master is scaled
    assert found.warning.startswith("No dark of 60 s is valid: one of 300 s is scaled to it")
    without = choose_master("dark", FRAME, [scaled], tolerance=1.0, has_bias=False)
    assert [one.key for one in without.differences] == ["exposure time"]
    with_bias_in_it = replace(scaled, without_bias=False)
    assert chosen("dark", with_bias_in_it) is None


def test_a_dark_with_the_bias_in_it_is_not_subtracted_twice() -> None:
    dark = replace(master(seconds=60.0), without_bias=False)
    assert [one.key for one in choose_master("dark", FRAME, [dark], tolerance=1.0).differences] == ["bias"]
    assert chosen("dark", dark, has_bias=False) == "m"


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ({"XBINNING": 2, "YBINNING": 2}, "2x2"),
        ({"XBINNING": 1, "YBINNING": 4.0}, "1x4"),
        ({"XBINNING": "2 3"}, "2x3"),
        ({"XBINNING": 2}, "2x2"),
        ({}, None),
    ],
)
def test_binning_is_columns_and_rows(cards: dict[str, Any], binning: str | None) -> None:
    assert read_setup(cards, MAP).binning == binning


def test_a_setting_is_the_same_as_number_and_text() -> None:
    assert read_setup({"GAIN": 100.0}, MAP).gain == read_setup({"GAIN": " 100 "}, MAP).gain == "100"
    assert read_setup({"READOUTM": "High Gain"}, MAP).read_mode == "High_Gain"
    assert read_setup({"CCD-TEMP": "n/a"}, MAP).temperature is None
    assert read_setup({}, MAP, [(10, 20)]).shape == "10x20"
    assert read_setup({}, MAP, [(10, 20)] * 4).shape == "4*10x20"


def test_a_measured_gain_may_scatter() -> None:
    assert not list(Setup(gain="1.502").differences(Setup(gain="1.5"), 1.0))
    assert list(Setup(gain="1.6").differences(Setup(gain="1.5"), 1.0))
    assert list(Setup(gain="1000").differences(Setup(gain="1001"), 1.0)), "a driver's setting does not"


def test_a_setup_comes_back_from_its_words() -> None:
    assert Setup.from_words(SETUP.to_words() + " seconds=300") == SETUP
    assert SETUP.label == "10x20_bin1x1_gain100_offset10_-10deg"
    assert Setup().label == "any"
