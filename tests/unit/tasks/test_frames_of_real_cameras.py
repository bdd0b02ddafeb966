"""Frames as real cameras write them, reduced to electrons that are known exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData

from tasks import source_table
from tasks.isr import IsrConfig, IsrTask
from tasks.make_calib import MakeDarkTask
from tasks.planes import PLANES
from tests.support.camera_frames import (
    COLUMNS,
    CORNER_E,
    LIGHT_E,
    READ_NOISE,
    ROWS,
    STRIP,
    camera,
    cards,
    counts,
    scene,
    write,
    write_amplifiers,
)
from underbutler.butlers import CcdImage
from underbutler.butlers.raw_frames import read_raw_frame
from underbutler.errors import UsageError

SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 3.0, "CRPIX2": 2.0}
SCALE = {"CDELT1": -1e-4, "CDELT2": 1e-4}


def reduce(raw: CCDData, instrument: Any = None, **options: Any) -> Any:
    config = IsrConfig()
    config.edge = 0
    for name in [name for name in options if name in config.keys()]:  # noqa: SIM118 - pex_config's own
        setattr(config, name, options.pop(name))
    return IsrTask(config=config).run(raw, instrument=instrument, detector=0, **options)


def frame(data: np.ndarray | None = None, **changes: Any) -> CCDData:
    values = counts() if data is None else data
    return CCDData(values.astype(np.float32), unit="adu", meta=cards(**changes))


def master(value: float, shape: tuple[int, int] = (ROWS, COLUMNS), **words: Any) -> CcdImage:
    image = np.full(shape, value, np.float32)
    header = fits.Header(list(words.items()))
    return CcdImage(image, np.zeros(shape, np.int16), np.zeros_like(image), header, unit="electron", mask_planes=PLANES)


# Sky coordinates


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"CDELT1": 0.0, "CDELT2": 0.0}, "singular"),
        ({"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4}, "singular"),
        ({"CTYPE2": "PIXEL"}, "only one of the axes"),
        ({"CTYPE2": None, "CRVAL2": None, "CRPIX2": None}, "only one of the axes"),
        ({"CTYPE2": "RA---TAN"}, ""),
        ({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": 1e-6}, "A_ORDER"),
        ({"A_ORDER": 90000, "B_ORDER": 90000}, "not the order of a SIP polynomial"),
        ({"CPDIS1": "LOOKUP", "DP1": "EXTVER: 1"}, "lookup tables"),
        ({"D2IMDIS1": "Lookup"}, "lookup tables"),
        ({"CTYPE1": "RA---TAB", "CTYPE2": "DEC--TAB"}, "lookup tables"),
        ({"CRPIX1": None}, "it has no CRPIX1"),
        ({"CDELT1": None, "CDELT2": None}, "it has no scale"),
        ({"CRPIX1": 1e300}, "out of all reach"),
        ({"CD1_1": "x", "CD2_2": 1e-4}, "CD1_1='x' is not a number"),
        ({"CUNIT1": "furlong", "CUNIT2": "furlong"}, ""),
        ({"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"}, ""),
        ({"CRVAL2": 95.0}, "beyond the pole"),
        ({"CRVAL1": "10:00:00"}, "is not a number"),
        ({"WCSAXES": 70}, "WCSAXES"),
        ({"CDELT1": None, "CDELT2": None, "CD1_1": 0.0, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 0.0}, "all of it is 0"),
        ({"CD1_1": 1e-4, "CD2_2": 1e-4, "PC1_1": 1.0}, "a CD and a PC matrix"),
        ({"CDELT1": 1.0, "CDELT2": 1.0}, "a pixel would be 1 deg wide"),
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "ELON and ELAT"),
        ({"RADESYS": "GAPPT"}, "RADESYS='GAPPT' is none of ICRS"),
    ],
)
def test_a_wcs_that_cannot_be_used_costs_coordinates_only(
    change: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = reduce(frame(**(SKY | SCALE | change)))
    assert result.exposure.wcs is None
    assert reason in result.notes[0]
    assert "no sky coordinates" in result.notes[0]
    assert "No sky coordinates" in caplog.text
    np.testing.assert_allclose(result.exposure.image, scene())
    CcdImage.read(_stream(result.exposure))


def test_a_frame_that_says_nothing_of_the_sky_warns_of_none() -> None:
    assert reduce(frame()).notes == []
    assert reduce(frame(CTYPE1="LINEAR", CTYPE2="LINEAR")).notes == []


def test_axes_may_come_in_the_other_order() -> None:
    swapped = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.0, "CRVAL2": 150.0}
    wcs = reduce(frame(**(SKY | SCALE | swapped))).exposure.wcs
    assert wcs.wcs_pix2world([[2.0, 1.0]], 0).tolist() == [[pytest.approx(2.0), pytest.approx(150.0)]]
    columns = source_table._positions(np.array([2.0]), np.array([1.0]), wcs)
    assert (columns["ra"][0], columns["dec"][0]) == (pytest.approx(150.0), pytest.approx(2.0))


@pytest.mark.parametrize(
    ("change", "ra", "dec"),
    [
        ({}, 150.0, 2.0),
        ({"CRVAL1": -210.0}, 150.0, 2.0),
        ({"RADESYS": "FK5", "EQUINOX": 2000.0}, 150.0, 2.0),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, 150.64513, 1.75813),
        ({"EQUINOX": 2050.0}, 149.3542, 2.2403),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 0.0, "CRVAL2": 0.0}, 266.40500, -28.93617),
    ],
)
def test_positions_are_in_icrs_whatever_the_header_is_in(change: dict[str, Any], ra: float, dec: float) -> None:
    """Those of the reference pixel: 2050 by the angles of Lieske 1977 (zeta 0.3203, theta 0.2784 deg in 50 years)."""
    wcs = reduce(frame(**(SKY | SCALE | change))).exposure.wcs
    columns = source_table._positions(np.array([2.0]), np.array([1.0]), wcs)
    assert (columns["ra"][0], columns["dec"][0]) == (pytest.approx(ra, abs=1e-3), pytest.approx(dec, abs=1e-3))


def test_words_that_look_like_sip_survive() -> None:
    exposure = reduce(frame(**SKY, **SCALE, A_BIAS=3, B_TEMP=-110.5, AP_MODE="x", A_ORDER=None)).exposure
    assert exposure.wcs is not None
    assert [exposure.header[word] for word in ("A_BIAS", "B_TEMP", "AP_MODE")] == [3, -110.5, "x"]
    assert "CRVAL1" not in exposure.header


def _stream(exposure: CcdImage) -> Any:
    import io

    return io.BytesIO(exposure.to_bytes())


# Overscan


def test_a_window_of_few_rows_keeps_its_level_by_rows() -> None:
    """The strip is wider than high; it stands beside the light, and gives each row its own level."""
    window = frame(counts()[4:8], BIASSEC=f"[{COLUMNS + 1}:{COLUMNS + STRIP},1:4]", TRIMSEC=f"[1:{COLUMNS},1:4]")
    np.testing.assert_allclose(reduce(window).exposure.image, scene()[4:8])


def test_a_short_overscan_is_carried_to_the_rows_beyond() -> None:
    data = counts()
    data -= np.arange(ROWS, dtype=np.uint16)[:, np.newaxis]  # one level for all rows
    np.testing.assert_allclose(reduce(frame(data, BIASSEC="[26:29,6:15]")).exposure.image, scene())


def test_a_long_overscan_is_used_over_the_light_alone() -> None:
    data = np.vstack([np.full((3, COLUMNS + STRIP), 5000, np.uint16), counts()])
    raw = frame(data, BIASSEC=f"[25:30,1:{ROWS + 3}]", TRIMSEC=f"[1:24,4:{ROWS + 3}]")
    np.testing.assert_allclose(reduce(raw).exposure.image, scene())


@pytest.mark.parametrize("side", ["left", "right", "below", "above"])
def test_an_overscan_on_any_side_gives_the_same_image(side: str) -> None:
    data, strip, light = counts(), f"[25:30,1:{ROWS}]", f"[1:24,1:{ROWS}]"
    if side == "left":
        data, strip, light = np.roll(data, STRIP, axis=1), f"[1:6,1:{ROWS}]", f"[7:30,1:{ROWS}]"
    if side in {"below", "above"}:
        level = 1000 + np.arange(COLUMNS)
        rows = np.broadcast_to(level, (3, COLUMNS))
        image = scene() / 2.0 + level
        data = np.vstack([rows, image] if side == "below" else [image, rows])
        strip, light = ("[1:24,1:3]", "[1:24,4:23]") if side == "below" else ("[1:24,21:23]", "[1:24,1:20]")
    np.testing.assert_allclose(reduce(frame(data, BIASSEC=strip, TRIMSEC=light)).exposure.image, scene())


def test_nan_in_the_overscan_leaves_the_row_its_level() -> None:
    raw = frame()
    raw.data[5, 26] = raw.data[9, 28] = np.inf
    raw.data[5, 27] = np.nan
    raw.data[12, COLUMNS:] = np.nan
    exposure = reduce(raw).exposure
    np.testing.assert_allclose(exposure.image, scene())
    assert not exposure.plane("NO_DATA").any()


def test_an_overscan_that_is_the_light_is_refused() -> None:
    with pytest.raises(UsageError, match=r"BIASSEC=\[1:30,1:20\], which is most of the light"):
        reduce(frame(BIASSEC="[1:30,1:20]"))


def test_an_overscan_that_reaches_into_the_light_is_refused() -> None:
    """Six of its columns would be stars and sky; its median is not the bias level."""
    with pytest.raises(UsageError, match=r"BIASSEC=\[19:30,1:20\], which reaches into the light, \[1:24,1:20\]"):
        reduce(frame(BIASSEC="[19:30,1:20]"))


def test_an_overscan_without_a_finite_pixel_is_refused() -> None:
    raw = frame()
    raw.data[:, COLUMNS:] = np.nan
    with pytest.raises(UsageError, match="holds no finite pixel"):
        reduce(raw)


@pytest.mark.parametrize("text", [f"[{COLUMNS}:1,1:{ROWS}]", f"[1:{COLUMNS},{ROWS}:1]", f"[{COLUMNS}:1,{ROWS}:1]"])
def test_a_section_written_backwards_is_the_same_section(text: str) -> None:
    np.testing.assert_allclose(reduce(frame(TRIMSEC=text)).exposure.image, scene())


# What the map says


def test_every_keyword_is_read_from_the_map() -> None:
    words = {"GAIN": None, "RDNOISE": None, "BIASSEC": None, "TRIMSEC": None, "EXPTIME": None}
    own = {"EGAIN": 2.0, "RON": 7.0, "OVER": "[25:30,1:20]", "DATASEC": "[1:24,1:20]", "SHUT": 20.0, "SATLEVEL": 2500}
    rules = {"gain": "EGAIN", "read_noise": "RON", "overscan": "OVER", "trim": "DATASEC", "saturation": "SATLEVEL"}
    instrument = camera(frame=rules, exposure={"id": "EXPID", "seconds": "SHUT"})

    result = reduce(frame(**words, **own), instrument, dark=master(1.0))

    np.testing.assert_allclose(result.exposure.image, scene() - 20.0)
    assert result.nominal_read_noise_e == 7.0
    assert result.n_saturated == 4, "the bright corner, at 3000 ADU"


@pytest.mark.parametrize("gain", [0, 139, "300"])
def test_a_drivers_setting_is_not_taken_for_the_gain(gain: Any) -> None:
    """Nobody names the keyword, and no CCD has so many electrons to a count."""
    with pytest.raises(UsageError, match=r"GAIN=.*(driver's setting|not a positive number)"):
        reduce(frame(GAIN=gain), camera())
    named = camera(frame={"gain": "GAIN"})
    if gain:
        assert reduce(frame(GAIN=gain), named).readout.amplifiers[0].gain == float(gain)
    assert reduce(frame(GAIN=gain), camera(), gain=2.0).readout.amplifiers[0].gain == 2.0


def test_a_constant_stands_in_and_a_keyword_wins_over_it() -> None:
    constants = {"gain": 4.0, "read_noise": 3.0, "overscan": "none", "saturation": 2500.0}
    data = counts(strip=0)
    bare = dict.fromkeys(["GAIN", "RDNOISE", "BIASSEC", "TRIMSEC"])
    result = reduce(frame(data, **bare), camera(constants=constants))
    np.testing.assert_allclose(result.exposure.image, data * 4.0)
    assert (result.overscan_adu, result.nominal_read_noise_e, result.n_saturated) == (None, 3.0, 4)
    named = camera(constants=constants, frame={"gain": "EGAIN"})
    np.testing.assert_allclose(reduce(frame(data, **bare, EGAIN=0.5), named).exposure.image, data * 0.5)


def test_the_configuration_wins_over_map_and_header() -> None:
    instrument = camera(frame={"gain": "EGAIN"}, constants={"gain": 9.0})
    np.testing.assert_allclose(reduce(frame(EGAIN=5.0), instrument, gain=2.0).exposure.image, scene())
    np.testing.assert_allclose(reduce(frame(EGAIN=5.0), instrument, gainKeyword="GAIN").exposure.image, scene())


def test_all_that_is_missing_is_told_at_once() -> None:
    bare = dict.fromkeys(["GAIN", "RDNOISE", "BIASSEC", "TRIMSEC"])
    with pytest.raises(UsageError) as caught:
        reduce(frame(**bare))
    text = str(caught.value)
    assert all(word in text for word in ("GAIN (gain", "RDNOISE", "BIASSEC", "TRIMSEC"))
    assert "-c isr.gain=… isr.readNoise=… doOverscan=false isr.doTrim=false" in text


def test_a_dark_is_scaled_by_the_time_that_the_map_names(tmp_path: Path) -> None:
    """400 e- (and 4000 in the corner) in 20 s."""
    instrument = camera(exposure={"id": "EXPID", "seconds": "SHUT"})
    file = write(tmp_path / "dark.fits", header=cards(EXPTIME=None, SHUT=20.0))

    class Ref:
        data_id = {"instrument": "CAM", "detector": 0}

        def get(self, name: str, **_: Any) -> Any:
            return read_raw_frame(file)

        def instrument_map(self) -> Any:
            return instrument

    config = MakeDarkTask.ConfigClass()
    config.doBias = False
    dark = MakeDarkTask(config=config).run(Ref(), [1, 2, 3])
    np.testing.assert_allclose(dark.image, scene() / 20.0)


# Amplifiers


@pytest.mark.parametrize("backwards", [False, True])
def test_two_amplifiers_make_one_image_with_their_gains(tmp_path: Path, backwards: bool) -> None:
    raw = read_raw_frame(write_amplifiers(tmp_path / "amps.fits", backwards=backwards))
    result = reduce(raw, camera(extensions={}))
    np.testing.assert_allclose(result.exposure.image, scene())
    np.testing.assert_allclose(result.exposure.variance, scene() + READ_NOISE**2)
    assert result.exposure.header["DETSEC"] == f"[1:{COLUMNS},1:{ROWS}]"


def test_each_amplifier_has_its_own_saturation_and_noise(tmp_path: Path) -> None:
    """Of the same 400 e- the first one counts 200 ADU over 1000, the second one 100 over 1100."""
    raw = read_raw_frame(write_amplifiers(tmp_path / "amps.fits"))
    amplifiers = [
        {"name": "A", "extension": "AMP1", "constants": {"saturation": 1201.0}},
        {
            "name": "B",
            "extension": 2,
            "constants": {"saturation": 1200.0, "read_noise": 10.0},
            "frame": {"gain": "GAIN"},
        },
    ]
    instrument = camera(amplifiers=amplifiers, frame={"read_noise": "NOISE"}, constants={"read_noise": 5.0})
    exposure = reduce(raw, instrument, maxUnusable=0.9).exposure
    half = COLUMNS // 2
    assert exposure.plane("SAT")[:, half:].all()
    assert exposure.plane("SAT")[:, :half].sum() == 4
    np.testing.assert_allclose(exposure.variance[5, [0, half]], [LIGHT_E + 25.0, LIGHT_E + 100.0])


def test_amplifiers_of_one_image_are_cut_by_the_maps_sections() -> None:
    half = COLUMNS // 2
    data = counts()
    data[:, half:COLUMNS] = (scene()[:, half:] / 4.0 + 1000 + np.arange(ROWS)[:, np.newaxis]).astype(np.uint16)
    bare = dict.fromkeys(["GAIN", "BIASSEC", "TRIMSEC"])
    amplifiers = [
        {
            "name": name,
            "constants": {
                "gain": gain,
                "trim": f"[{first}:{first + half - 1},1:{ROWS}]",
                "place": f"[{first}:{first + half - 1},1:{ROWS}]",
                "overscan": f"[25:30,1:{ROWS}]",
            },
        }
        for name, first, gain in (("A", 1, 2.0), ("B", half + 1, 4.0))
    ]
    np.testing.assert_allclose(reduce(frame(data, **bare), camera(amplifiers=amplifiers)).exposure.image, scene())


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"DETSEC": None}, "has no DETSEC"),
        ({"DETSEC": "[1:13,1:20]"}, "do not fit its place"),
        ({"DETSEC": "[1:12,1:20]"}, "lie over each other"),
        ({"DETSEC": "[a:b]"}, "not a FITS section"),
    ],
)
def test_amplifiers_that_cannot_be_placed_are_refused(tmp_path: Path, own: dict[str, Any], problem: str) -> None:
    raw = read_raw_frame(write_amplifiers(tmp_path / "amps.fits", **own))
    with pytest.raises(UsageError, match=problem):
        reduce(raw, camera(extensions={}))


# Masters of another window


def test_a_master_is_cut_to_the_window_that_the_header_names() -> None:
    bias = master(0.0)
    bias.image += np.arange(ROWS, dtype=np.float32)[:, np.newaxis]
    data = counts()[4:8]
    sections = {"BIASSEC": "[25:30,1:4]", "TRIMSEC": f"[1:{COLUMNS},1:4]"}
    expected = scene()[4:8] - np.arange(4, 8)[:, np.newaxis]
    for words in ({"DETSEC": f"[1:{COLUMNS},5:8]"}, {"CCDSEC": f"[1:{COLUMNS},5:8]"}, {"XORGSUBF": 0, "YORGSUBF": 4}):
        image = reduce(frame(data, **sections, **words), bias=bias).exposure.image
        np.testing.assert_allclose(image, expected)


@pytest.mark.parametrize(
    ("words", "own", "problem"),
    [
        (
            {},
            {},
            r"\(20, 24\) pixels and the trimmed frame \(4, 24\), and the frame's header does not say which window",
        ),
        ({"DETSEC": "[1:24,19:22]"}, {}, r"\(20, 24\).*\(4, 24\), which are \[1:24,1:20\] and \[1:24,19:22\]"),
        ({"DETSEC": "[1:48,1:8]", "CCDSUM": "2 2"}, {}, "in binnings of"),
    ],
)
def test_a_master_that_does_not_fit_names_both_shapes(words: Any, own: Any, problem: str) -> None:
    raw = frame(counts()[4:8], BIASSEC="[25:30,1:4]", TRIMSEC=f"[1:{COLUMNS},1:4]", **words)
    with pytest.raises(UsageError, match=problem):
        reduce(raw, bias=master(0.0, **own))


def test_a_window_of_the_same_shape_elsewhere_is_refused() -> None:
    raw = frame(DETSEC="[1:24,1:20]")
    with pytest.raises(UsageError, match=r"\[1:24,21:40\] and \[1:24,1:20\]"):
        reduce(raw, bias=master(0.0, DETSEC="[1:24,21:40]"))


def test_the_corner_stays_where_it_was_read() -> None:
    assert reduce(frame()).exposure.image[0, 0] == CORNER_E
