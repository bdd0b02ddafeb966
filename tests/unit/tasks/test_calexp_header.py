"""A calexp says what it is to somebody who has no Butler."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pytest
from astropy.io import fits

from tasks.calexp_header import CARDS, add_measurements, add_notes, add_origin, frame_metadata
from tests.support.star_frames import reduce_frame, star_frame
from underbutler.butlers import CcdImage

BIAS = uuid.UUID("01234567-89ab-5cde-8f01-23456789abcd")


class Ref:
    """A reference that has read a bias."""

    repo = "demo"
    run = "u/somebody-with-a-name/processCcd/20261201T081500123-1a2b3c4d"
    data_id = {"instrument": "SIMCAM", "exposure": 7, "detector": 1}

    def origin_of(self, name: str) -> Any:
        return (BIAS, "u/tester/makeBias/1") if name == "bias" else None


@pytest.fixture(scope="module")
def reduced_stars() -> Any:
    frame = star_frame(3.0, None, shape=(256, 256), number=16, seed=2)
    return reduce_frame(frame.electrons, isr__gain=1.6, isr__readNoise=6.5, isr__saturation=40000.0)


def test_gain_and_noise_are_those_that_were_used(reduced_stars: Any) -> None:
    """The config's, not the header's; the image itself is in electrons."""
    header = reduced_stars.exposure.header
    assert header["RAWGAIN"] == 1.6
    assert header["GAIN"] == 1.0
    assert header["RDNOISE"] == 6.5
    assert header["RAWSATUR"] == 40000.0
    assert header["SATURATE"] == 64000.0
    assert header["EXPTIME"] == 10.0


def test_what_was_measured_is_in_the_header(reduced_stars: Any) -> None:
    header, scalars = reduced_stars.exposure.header, reduced_stars.scalars
    assert header["FWHM"] == pytest.approx(scalars["fwhm_px"], rel=1e-6)
    assert header["SKYLEVEL"] == pytest.approx(scalars["background_e"], rel=1e-6)
    assert header["SKYRMS"] == pytest.approx(scalars["background_rms_e"], rel=1e-6)
    assert header["NSOURCES"] == 16
    assert "SEEING" not in header, "nobody knows the scale"


def test_run_config_and_masters_are_named_in_a_valid_file(reduced_stars: Any) -> None:
    image = reduced_stars.exposure.shared()
    add_origin(image.header, Ref(), task="processCcd", config_digest="ab" * 32, masters=["bias"])
    with fits.open(io.BytesIO(image.to_bytes())) as hdus:
        hdus.verify("exception")
        header = hdus[0].header
        assert header["UBRUN"] == Ref.run
        assert header["UBCONFIG"] == "ab" * 16
        assert (header["BIASUUID"], header["BIASUSED"]) == (str(BIAS), "u/tester/makeBias/1")
        assert header["FLATUSED"] == "none"
        assert header["UBVER1"].startswith("astropy ")
        own = [keyword for keyword in CARDS if keyword in header]
        assert len(own) > 25
        assert all(header.comments[keyword] for keyword in own)
        assert hdus["IMAGE"].header["BUNIT"] == "electron"


def test_a_card_that_is_no_longer_true_goes() -> None:
    header = fits.Header([("FWHM", 9.9, "of another day"), ("DATE", "2013-01-01"), ("OBJECT", "M 13")])
    add_measurements(header, {"FWHM": None, "SKYRMS": float("nan"), "NSOURCES": 3})
    assert list(header) == ["OBJECT", "NSOURCES"]


def test_notes_of_a_reduction_are_read_back_whole() -> None:
    header = fits.Header([("UBNOTE7", "of another reduction")])
    add_notes(header, ["short", "no dark of 30 s is valid: " + "one of 300 s is scaled to it, " * 5 + "…"])
    read = fits.Header.fromstring(header.tostring())
    assert [word for word in read if word.startswith("UBNOTE")] == ["UBNOTE1", "UBNOTE2"]
    assert read["UBNOTE2"].endswith("scaled to it, ?")
    assert len(read["UBNOTE2"]) == 177
    assert frame_metadata(read) == {"note_1": "short", "note_2": read["UBNOTE2"]}


def test_what_the_raw_header_lacks_comes_from_the_butler() -> None:
    from types import SimpleNamespace

    from astropy.time import Time

    record = SimpleNamespace(
        instrument="SIMCAM",
        target_name="M 13",
        physical_filter="R",
        observation_type="science",
        exposure_time=5.0,
        timespan=SimpleNamespace(begin=Time("2026-11-20T20:00:37", scale="tai")),
    )

    class Known(Ref):
        def getButler(self) -> Any:
            registry = SimpleNamespace(expandDataId=lambda _: SimpleNamespace(records={"exposure": record}))
            return SimpleNamespace(registry=registry)

    header = fits.Header([("OBJECT", "as the observer wrote")])
    add_origin(header, Known(), task="processCcd", config_digest="0" * 64, masters=[])
    assert header["OBJECT"] == "as the observer wrote"
    assert header["FILTER"] == "R"
    assert header["DATE-OBS"] == "2026-11-20T20:00:00.000", "UTC, 37 s behind TAI"
    assert header["TIMESYS"] == "UTC"
    dated = fits.Header([("DATE-OBS", "20/11/26"), ("UT", "20:00:00")])
    add_origin(dated, Known(), task="processCcd", config_digest="0" * 64, masters=[])
    assert dated["DATE-OBS"] == "2026-11-20T20:00:00.000"


def test_a_header_says_the_same_as_before_when_it_is_read_back(reduced_stars: Any) -> None:
    image = CcdImage.read(io.BytesIO(reduced_stars.exposure.to_bytes()))
    assert image.header["RAWGAIN"] == 1.6
