"""One simulated night, rewritten with the header of each software that small observatories use, and ingested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tasks.amplifiers import assemble
from underbutler.butlers import Repositories, create_repository, ingest_files
from underbutler.butlers.frame_headers import frame_headers, raw_refs
from underbutler.errors import UsageError
from underbutler.instruments.instrument_map import InstrumentMap, choose_map, shipped_dialects
from underbutler.instruments.layout import readout_faults, readout_of
from underbutler.instruments.observation import read_observation
from underbutler.instruments.readout import FramePart
from underbutler.instruments.setups import read_setup
from underbutler.settings import load_settings
from underbutler.testing.night import simulate_night

KINDS = {
    "MAXIM": {"BIAS": "Bias Frame", "FLAT": "Flat Field", "OBJECT": "Light Frame"},
    "NINA": {"BIAS": "BIAS", "FLAT": "FLAT", "OBJECT": "LIGHT"},
    "INDI": {"BIAS": "Bias", "FLAT": "Flat", "OBJECT": "Light"},
    "SHARPCAP": {"BIAS": "Bias", "FLAT": "Flat", "OBJECT": "Light"},
}
OWN: dict[str, dict[str, Any]] = {
    "MAXIM": {"SWCREATE": "MaxIm DL Version 6.20", "EXPOSURE": 60.0, "PEDESTAL": -100, "READOUTM": "Fast"},
    "NINA": {"SWCREATE": "N.I.N.A. 3.1.2.9001 (x64)", "GAIN": 100, "OFFSET": 50, "DATE-LOC": "2026-11-20T13:00:00"},
    "INDI": {"PIXSIZE1": 3.76, "GAIN": 100, "OFFSET": 50, "ROWORDER": "TOP-DOWN"},
    "SHARPCAP": {"SWCREATE": "SharpCap v4.1.11", "GAIN": 100, "BLKLEVEL": 50},
}
CAMERA = "ZWO ASI2600MM Pro"
NAME = "ZWO_ASI2600MM_Pro"


def rewritten(header: fits.Header, dialect: str) -> fits.Header:
    """Return a simulated header as the software would have written it."""
    cards = fits.Header({"INSTRUME": f"{CAMERA} {dialect}", "DATE-OBS": header["DATE-OBS"], "OBJECT": header["OBJECT"]})
    cards["EXPOSURE" if dialect == "NINA" else "EXPTIME"] = header["EXPTIME"]
    cards["FRAME" if dialect == "INDI" else "IMAGETYP"] = KINDS[dialect][header["IMAGETYP"]]
    cards["FILTER"], cards["EGAIN"], cards["XBINNING"], cards["YBINNING"] = "R", header["GAIN"], 1, 1
    cards["CCD-TEMP"], cards["OBJCTRA"], cards["OBJCTDEC"] = -10.0, "03 30 00", "-27 48 00"
    cards.update(OWN[dialect])
    return cards


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Any, fits.Header]]:
    """Kind, file and header of a bias, a flat and a science frame."""
    made = simulate_night(
        tmp_path_factory.mktemp("night"), n_bias=1, n_flat=1, n_science=1, detectors=(1,), shape=(100, 100)
    )
    return [(frame.kind, frame.path, fits.getheader(frame.path)) for frame in made.frames]


@pytest.mark.parametrize("dialect", KINDS)
def test_a_night_is_read_as_the_camera_of_its_header(dialect: str, night: list[Any]) -> None:
    for kind, path, plain in night:
        header = rewritten(plain, dialect)
        instrument = choose_map(header, shipped_dialects())
        seen = read_observation(header, path.stem, instrument)
        assert seen.instrument == f"{NAME}_{dialect}"
        assert seen.observation_type == {"BIAS": "bias", "FLAT": "flat", "OBJECT": "science"}[kind]
        assert seen.begin.utc.isot == plain["DATE-OBS"]
        assert seen.seconds == plain["EXPTIME"]
        assert (seen.physical_filter, seen.band) == ("R", "r")
        assert (seen.ra, seen.dec) == (pytest.approx(52.5), pytest.approx(-27.8))


@pytest.mark.parametrize("dialect", KINDS)
def test_the_gain_is_of_egain_and_the_setting_of_gain(dialect: str, night: list[Any]) -> None:
    header = rewritten(night[0][2], dialect)
    instrument = choose_map(header, shipped_dialects())
    part = FramePart(number=0, name="", shape=(100, 124), header=header)
    (missing,) = readout_faults([part], instrument)
    assert missing.keyword == "RDNOISE", "none of them writes the read noise"
    known = instrument.model_copy(update={"constants": instrument.constants.model_copy(update={"read_noise": 3.5})})
    (amplifier,) = readout_of([part], known).amplifiers
    assert amplifier.gain == night[0][2]["GAIN"]
    assert amplifier.overscan is None
    setup = read_setup(header, instrument)
    assert (setup.gain, setup.offset) == ((None, None) if dialect == "MAXIM" else ("100", "50"))


def test_the_pedestal_is_taken_off_where_no_overscan_is() -> None:
    header = fits.Header({"INSTRUME": "Cam", "SWCREATE": "MaxIm DL 6", "EGAIN": 2.0, "PEDESTAL": -100, "EXPTIME": 1.0})
    maxim = choose_map(header, shipped_dialects())
    known = maxim.model_copy(update={"constants": maxim.constants.model_copy(update={"read_noise": 3.0})})
    readout = readout_of([FramePart(number=0, name="", shape=(4, 5), header=header)], known)
    assembled = assemble(readout, {0: np.full((4, 5), 150.0, dtype=np.float32)})
    np.testing.assert_allclose(assembled.electrons, 100.0)  # (150 - 100) ADU at 2 e-/ADU


def test_a_gain_without_egain_is_no_gain(night: list[Any]) -> None:
    header = rewritten(night[0][2], "NINA")
    del header["EGAIN"]
    part = FramePart(number=0, name="", shape=(100, 124), header=header)
    assert "EGAIN" in {one.keyword for one in readout_faults([part], choose_map(header, shipped_dialects()))}


def test_frames_of_all_of_them_come_in(night: list[Any], tmp_path: Path) -> None:
    files = []
    for dialect in KINDS:
        _, path, plain = night[2]
        files.append(tmp_path / f"{dialect}.fits")
        fits.PrimaryHDU(fits.getdata(path), rewritten(plain, dialect)).writeto(files[-1])
    with Repositories(load_settings(home=tmp_path / "home", user="tester")) as repositories:
        given = [InstrumentMap.model_validate({"name": "OTHER", "match": {"INSTRUME": "OTHER"}})]
        create_repository(tmp_path / "repo", "small", repositories.settings, given)
        report = ingest_files(repositories, "small", files)
        assert [one.note for one in report.failed] == []
        data_ids = [one.data_id for one in report.ingested if one.data_id]
        assert [one["instrument"] for one in data_ids] == [f"{NAME}_{dialect}" for dialect in KINDS]
        assert repositories.instrument_map("small", f"{NAME}_NINA") is not None
        with repositories.butler("small") as butler:
            refs = raw_refs(butler, data_ids, [f"{NAME}_NINA/raw"])
            (frame,) = frame_headers(butler, refs.values())
    assert frame.parts[0].header["OFFSET"] == 50


def test_a_given_map_of_the_camera_wins_over_the_softwares(night: list[Any]) -> None:
    header = rewritten(night[2][2], "NINA")
    own = InstrumentMap.model_validate({"name": f"{NAME}_NINA", "match": {"INSTRUME": "another software's"}})
    assert choose_map(header, [own, *shipped_dialects()]) is own


@pytest.mark.parametrize("line", ["Generated by INDI", "KStars"])
def test_indi_is_known_by_its_comment_or_its_software(line: str) -> None:
    header = fits.Header({"INSTRUME": "CCD Simulator", "SWCREATE": line})
    header["COMMENT"] = line
    assert choose_map(header, shipped_dialects()).name == "CCD_Simulator"


def test_a_colour_camera_is_refused(night: list[Any]) -> None:
    header = rewritten(night[2][2], "NINA")
    header["BAYERPAT"] = "RGGB"
    instrument = choose_map(header, shipped_dialects())
    with pytest.raises(UsageError, match=r"BAYERPAT says 'RGGB'.*green pixels.*is_mono = true"):
        read_observation(header, "a", instrument)
    mono = instrument.model_copy(update={"observation": instrument.observation.model_copy(update={"is_mono": True})})
    assert read_observation(header, "a", mono).instrument == f"{NAME}_NINA"


def test_the_local_time_is_not_taken_for_utc(night: list[Any]) -> None:
    header = rewritten(night[2][2], "NINA")
    del header["DATE-OBS"]
    with pytest.raises(UsageError, match=r"lacks DATE-OBS.*DATE-LOC is the local time"):
        read_observation(header, "a", choose_map(header, shipped_dialects()))
