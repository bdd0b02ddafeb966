"""Cameras that Rubin's translators read: what is observed comes from them, gain and sections from a map."""

from __future__ import annotations

from typing import Any

import pytest

from underbutler.errors import UsageError
from underbutler.instruments.drafting import draft_map
from underbutler.instruments.extensions import parts_by_detector
from underbutler.instruments.frame_check import check_frame
from underbutler.instruments.instrument_map import (
    InstrumentMap,
    choose_map,
    parse_instrument_map,
    shipped_dialects,
    shipped_maps,
    translator_map,
)
from underbutler.instruments.layout import readout_of
from underbutler.instruments.observation import read_observation
from underbutler.instruments.readout import FramePart

PRIMARY: dict[str, Any] = {
    "INSTRUME": "DECam",
    "TELESCOP": "CTIO 4.0-m telescope",
    "OBS-LAT": -30.16606,
    "OBS-LONG": 70.81489,
    "OBS-ELEV": 2215.0,
    "DATE-OBS": "2013-09-01T06:02:55.754",
    "EXPNUM": 229388,
    "EXPTIME": 200.0,
    "FILTER": "g DECam SDSS c0001 4720.0 1520.0",
    "OBSTYPE": "object",
    "OBJECT": "DES survey",
    "TELRA": "02:51:16.79",
    "TELDEC": "-00:00:05.6",
    "RADESYS": "FK5",
}
KNOWN = [*shipped_maps(), *shipped_dialects()]


def ccd(number: int, name: str, **cards: Any) -> FramePart:
    own = {"CCDNUM": number, "DETPOS": name, "EXTNAME": name}
    for letter, columns in (("A", "1:4"), ("B", "5:8")):
        light, strip = ("3:6", "1:2") if letter == "A" else ("7:10", "11:12")
        own |= {f"GAIN{letter}": 4.0, f"RDNOISE{letter}": 7.0, f"SATURAT{letter}": 40000.0}
        own |= {f"BIASSEC{letter}": f"[{strip},1:6]", f"DATASEC{letter}": f"[{light},1:6]"}
        own |= {f"DETSEC{letter}": f"[{columns},1:6]"}
    return FramePart(number=number, name=name, shape=(6, 12), header=PRIMARY | own | cards)


def test_a_translator_says_what_is_observed_and_a_map_the_gain() -> None:
    part = ccd(25, "S1")
    decam = choose_map(part.header, KNOWN)
    seen = read_observation(part.header, "decam", decam, "S1")
    assert (seen.instrument, seen.exposure, seen.detector) == ("DECam", 229388, 25)
    assert (seen.observation_type, seen.seconds, seen.target) == ("science", 200.0, "DES survey")
    assert seen.begin.utc.isot == "2013-09-01T06:02:55.754"
    assert seen.day_obs == 20130831
    assert seen.band == "g"
    assert seen.ra == pytest.approx(42.82, abs=0.01)
    assert decam.detector_name(25) == "S1"
    readout = readout_of([part], decam, 25)
    assert readout.shape == (6, 8)
    assert [(one.name, one.gain) for one in readout.amplifiers] == [("A", 4.0), ("B", 4.0)]


def test_ccds_are_detectors_and_focus_chips_are_left_aside() -> None:
    parts = [ccd(25, "S1"), ccd(32, "N1"), ccd(63, "FN1")]
    assert list(parts_by_detector(parts, choose_map(PRIMARY, KNOWN))) == [25, 32]


def test_a_camera_that_only_a_translator_knows_needs_no_map() -> None:
    instrument = choose_map(ccd(25, "S1").header, shipped_dialects())
    assert (instrument.name, instrument.translator) == ("DECam", "DECam")
    seen = read_observation(ccd(25, "S1", OBSTYPE="zero").header, "a", instrument)
    assert (seen.exposure, seen.detector, seen.observation_type, seen.band) == (229388, 25, "bias", "g")


def test_a_given_map_wins_over_the_translator() -> None:
    own = InstrumentMap.model_validate({"name": "MINE", "match": {"INSTRUME": "DECam"}, "exposure": {"id": "EXPNUM"}})
    assert choose_map(ccd(25, "S1").header, [own, *KNOWN]) is own


def megaprime(number: int) -> FramePart:
    cards: dict[str, Any] = {"INSTRUME": "MegaPrime", "DATE-OBS": "2026-11-20", "UTC-OBS": "06:04:20.5"}
    cards |= {"EXPTIME": 30.0, "EXPNUM": 3000004, "FILTER": "r.MP9602", "OBSTYPE": "OBJECT", "OBJECT": "D3"}
    cards |= {"LONGITUD": -155.47, "GAIN": 1.6, "RDNOISE": 5.0, "BIASSEC": "[5:6,1:4]", "TRIMSEC": "[1:4,1:4]"}
    name = f"ccd{number:02d}"
    return FramePart(number=number + 1, name=name, shape=(4, 6), header=cards | {"EXTNAME": name})


def test_images_of_a_translators_camera_are_its_detectors() -> None:
    parts = [megaprime(0), megaprime(35)]
    instrument = choose_map(parts[0].header, KNOWN)
    assert list(parts_by_detector(parts, instrument)) == [0, 35]
    bare = {keyword: value for keyword, value in parts[1].header.items() if keyword != "EXTNAME"}
    assert read_observation(bare, "a", instrument, "ccd35").detector == 35, "a file that is read has no such card left"
    checks = check_frame(parts, "1234o", translator_map("MegaPrime"))
    assert [(one.observation.detector, one.missing) for one in checks if one.observation] == [(0, ()), (35, ())]


def test_a_draft_leaves_to_the_translator_what_it_reads() -> None:
    parts = [megaprime(0), megaprime(1)]
    draft = draft_map([parts], choose_map(parts[0].header, KNOWN))
    instrument = parse_instrument_map(draft.text, "draft")
    assert (instrument.name, instrument.translator, instrument.site_offset_hours) == ("MegaPrime", "MegaPrime", 22.0)
    assert [one.id for one in instrument.detectors] == [0, 1]
    assert "[exposure]" not in draft.text
    seen = read_observation(parts[1].header, "a", instrument, "ccd01")
    assert (seen.exposure, seen.detector, seen.begin.utc.isot) == (3000004, 1, "2026-11-20T06:04:20.500")
    assert readout_of(parts[1:], instrument, 1).amplifiers[0].gain == 1.6


def test_a_header_that_the_translator_refuses_is_a_sentence() -> None:
    header = {keyword: value for keyword, value in ccd(25, "S1").header.items() if keyword != "EXPNUM"}
    with pytest.raises(UsageError, match=r"The translator of DECam does not read this header.*--instrument-map"):
        read_observation(header, "a", choose_map(PRIMARY, KNOWN))


def test_a_camera_of_nobody_is_refused_all_the_same() -> None:
    with pytest.raises(UsageError, match="No instrument map is for this frame"):
        choose_map({"INSTRUME": "Hyper"}, KNOWN)
