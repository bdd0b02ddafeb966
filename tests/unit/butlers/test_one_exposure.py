"""One exposure is one exposure, whatever file it comes in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.support.camera_frames import camera, cards, counts, write, write_amplifiers
from underbutler.butlers import InstrumentMap, Repositories, create_repository, find_data_ids, ingest_files
from underbutler.butlers.ingest import FileOutcome
from underbutler.butlers.raws.listing import list_raws, remove_raws, show_raw
from underbutler.settings import load_settings

CAMERA = camera()
CLOCK = camera(exposure={})
"""The same camera, without a counter: an exposure is its UTC begin."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    """One repository of this module: every test has exposures of its own."""
    folder = tmp_path_factory.mktemp("exposures")
    settings = load_settings(home=folder / "home")
    (folder / "home").mkdir()
    create_repository(folder / "repo", "tiny", settings, [CAMERA])
    with Repositories(settings) as repositories:
        yield repositories


def ingest(shared: Repositories, *files: Path, instrument: InstrumentMap = CAMERA, replace: bool = False) -> Any:
    return ingest_files(shared, "tiny", files, instrument_map=instrument, replace=replace).outcomes


def statuses(outcomes: list[FileOutcome]) -> list[str]:
    return [one.status for one in outcomes]


def stored(shared: Repositories, exposure: int, detector: int = 0) -> Any:
    with shared.butler("tiny") as butler:
        return butler.get("raw", instrument="CAM", exposure=exposure, detector=detector, collections=["CAM/raw"])


def record(shared: Repositories, exposure: int) -> Any:
    with shared.butler("tiny") as butler:
        (found,) = butler.query_dimension_records("exposure", instrument="CAM", exposure=exposure)
    return found


def test_other_containers_of_one_frame_are_skipped(shared: Repositories, tmp_path: Path) -> None:
    plain = write(tmp_path / "a.fits", header=cards(EXPID=11))
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    tiled = tmp_path / "b.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(counts(), cards(EXPID=11))]).writeto(tiled)
    floats = write(tmp_path / "c.fits", counts().astype("f4"), cards(EXPID=11, REMARK="not mapped"))

    assert statuses(ingest(shared, packed, plain, tiled, floats)) == ["ingested", "skipped", "skipped", "skipped"]


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (21, {"FILTER": "V"}, "FILTER 'R', now 'V'"),
        (22, {"GAIN": 2.1}, "GAIN 2.0, now 2.1"),
        (23, {"EXPTIME": 31.0}, "EXPTIME 30.0, now 31.0"),
        (24, {"DATE__OBS": "2026-11-20T21:00:00"}, "DATE-OBS '2026-11-20T20:00:00', now '2026-11-20T21:00:00'"),
    ],
)
def test_a_corrected_header_is_refused_and_replaces(
    shared: Repositories, tmp_path: Path, number: int, change: dict[str, Any], said: str
) -> None:
    first = write(tmp_path / "a.fits", header=cards(EXPID=number))
    second = write(tmp_path / "b.fits", header=cards(EXPID=number, **change))
    ingest(shared, first)

    (refused,) = ingest(shared, second)
    (replaced,) = ingest(shared, second, replace=True)

    assert refused.status == "failed"
    assert said in refused.note
    assert "--replace" in refused.note
    assert (replaced.status, said in replaced.note) == ("replaced", True)
    keyword, value = next(iter(change.items()))
    assert stored(shared, number).header[keyword.replace("__", "-")] == value
    assert statuses(ingest(shared, second)) == ["skipped"]
    if keyword == "FILTER":
        assert record(shared, number).physical_filter == "V"


def test_other_pixels_are_counted_in_the_refusal(shared: Repositories, tmp_path: Path) -> None:
    data = counts()
    data[0, :3] += 1
    ingest(shared, write(tmp_path / "a.fits", header=cards(EXPID=31)))
    (refused,) = ingest(shared, write(tmp_path / "b.fits", data, cards(EXPID=31)))
    assert "3 of 600 pixels" in refused.note


def test_a_replacement_that_fails_leaves_the_old_frame(
    shared: Repositories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lsst.daf.butler import Butler

    ingest(shared, write(tmp_path / "a.fits", header=cards(EXPID=32)))
    with shared.butler("tiny") as butler:
        kind, real = type(butler), type(butler).ingest
    assert issubclass(kind, Butler)
    calls: list[int] = []

    def fail_once(self: Any, *files: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the disk is full")
        real(self, *files, **options)

    monkeypatch.setattr(kind, "ingest", fail_once)
    (failed,) = ingest(shared, write(tmp_path / "b.fits", header=cards(EXPID=32, GAIN=3.0)), replace=True)
    assert (failed.status, "disk is full" in failed.note) == ("failed", True)
    assert stored(shared, 32).header["GAIN"] == 2.0


def at(second: int, **changes: Any) -> fits.Header:
    return cards(EXPID=None, DATE__OBS=f"2026-11-22T20:00:{second:02d}", **changes)


def test_two_frames_of_one_second_need_an_identity(shared: Repositories, tmp_path: Path) -> None:
    data = counts() + 1
    first = write(tmp_path / "first.fits", header=at(0))
    (taken,) = ingest(shared, first, instrument=CLOCK)
    (refused,) = ingest(shared, write(tmp_path / "second.fits", data, at(0)), instrument=CLOCK)
    assert refused.status == "failed"
    assert "600 of 600 pixels" in refused.note

    (moved,) = ingest(shared, write(tmp_path / "frame.fits", data, at(10, OBSID="b")), instrument=CLOCK)
    assert (taken.data_id["exposure"], moved.data_id["exposure"]) == (20261122200000, 20261122200010)


@pytest.mark.parametrize(
    ("second", "names", "own"),
    [(20, ("img_0001", "img_0002"), ({}, {})), (30, ("x", "y"), ({"OBSID": "n1"}, {"OBSID": "n2"}))],
)
def test_a_frame_of_its_own_number_is_moved_by_a_second(
    shared: Repositories, tmp_path: Path, second: int, names: tuple[str, str], own: tuple[Any, Any]
) -> None:
    files = [
        write(tmp_path / f"{name}.fits", counts() + n, at(second, **words))
        for n, (name, words) in enumerate(zip(names, own, strict=True))
    ]
    outcomes = ingest(shared, *files, *files, instrument=CLOCK)
    begin = 20261122200000 + second
    assert [one.data_id["exposure"] for one in outcomes] == [begin, begin + 1, begin, begin + 1]
    assert statuses(outcomes) == ["ingested", "ingested", "skipped", "skipped"]


@pytest.mark.parametrize(("second", "name"), [(40, "img_0001 (2)"), (41, "img_0001_fixed"), (42, "img_0001-2")])
def test_a_copy_under_another_name_is_no_other_frame(
    shared: Repositories, tmp_path: Path, second: int, name: str
) -> None:
    ingest(shared, write(tmp_path / "img_0001.fits", header=at(second)), instrument=CLOCK)
    (refused,) = ingest(shared, write(tmp_path / f"{name}.fits", header=at(second, FILTER="V")), instrument=CLOCK)
    assert (refused.status, "FILTER 'R', now 'V'" in refused.note) == ("failed", True)


def test_a_second_frame_within_a_leap_second_comes_after(shared: Repositories, tmp_path: Path) -> None:
    files = [
        write(tmp_path / f"leap_{n}.fits", counts() + n, cards(EXPID=None, DATE__OBS=f"2016-12-31T23:59:60.{n}"))
        for n in (1, 2)
    ]
    outcomes = ingest(shared, *files, instrument=CLOCK)
    assert [one.data_id and one.data_id["exposure"] for one in outcomes] == [20161231235960, 20170101000000]


def test_the_file_that_is_named_is_the_one_that_is_taken(shared: Repositories, tmp_path: Path) -> None:
    decoys = {"a%20b.fits": "a b.fits", "c#d.fits": "c", "50%.fits": "50.fits", "e%23f.fits": "e#f.fits"}
    for number, (name, decoy) in enumerate(decoys.items(), start=51):
        write(tmp_path / decoy, header=cards(EXPID=90 + number))
        (outcome,) = ingest(shared, write(tmp_path / name, header=cards(EXPID=number)))
        assert (outcome.status, outcome.data_id["exposure"]) == ("ingested", number)
        assert stored(shared, number).header["EXPID"] == number
        assert record(shared, number).obs_id == name.removesuffix(".fits").replace("%", "_")


def test_long_filters_stay_two_and_answer_to_both_names(shared: Repositories, tmp_path: Path) -> None:
    names = [f"g DECam SDSS c0001 4720.0 1520.0 longer {end}" for end in "xy"]
    for number, name in enumerate(names, start=61):
        ingest(shared, write(tmp_path / f"{number}.fits", header=cards(EXPID=number, FILTER=name)))
    short = [record(shared, number).physical_filter for number in (61, 62)]
    assert len(set(short)) == 2
    assert all(len(name) <= 32 and name.startswith("g DECam SDSS") for name in short)
    assert stored(shared, 61).header["FILTER"] == names[0]
    with shared.butler("tiny") as butler:
        for name in (names[0], short[0]):
            wanted = {"instrument": ["CAM"], "physical_filter": [name]}
            found = find_data_ids(butler, ["instrument", "exposure", "detector"], wanted, dataset_type="raw",
                                  collections=["CAM/raw"])  # fmt: skip
            assert [one["exposure"] for one in found] == [61]


def test_cards_without_a_value_are_missing_ones(shared: Repositories, tmp_path: Path) -> None:
    header = cards(EXPID=63)
    header["FILTER"] = header["OBJECT"] = fits.card.UNDEFINED
    ingest(shared, write(tmp_path / "bare.fits", header=header))
    assert (record(shared, 63).physical_filter, record(shared, 63).target_name) == ("unknown", None)


def test_a_layout_that_no_map_describes_is_refused(shared: Repositories, tmp_path: Path) -> None:
    (refused,) = ingest(shared, write_amplifiers(tmp_path / "amps.fits", EXPID=71))
    assert "1 AMP1 (18 columns x 20 rows), 2 AMP2 (18 columns x 20 rows)" in refused.note
    assert "[extensions]" in refused.note


def test_several_detectors_of_one_file_are_as_many_frames(shared: Repositories, tmp_path: Path) -> None:
    path = write_amplifiers(tmp_path / "ccds.fits", EXPID=72)
    described = camera(
        detectors=[{"id": 0, "name": "0"}, {"id": 1, "name": "1"}], extensions={"detectors": {"AMP1": 0, "AMP2": 1}}
    )
    outcomes = ingest(shared, path, path, instrument=described)
    assert [(one.status, one.data_id["detector"]) for one in outcomes] == [
        ("ingested", 0), ("ingested", 1), ("skipped", 0), ("skipped", 1),
    ]  # fmt: skip
    rows = list_raws(shared, "tiny", exposures=[72])
    assert [show_raw(shared, "tiny", row)["images"][0].split()[1] for row in rows] == ["AMP1", "AMP2"]


def test_a_removed_frame_is_gone_and_comes_back_corrected(shared: Repositories, tmp_path: Path) -> None:
    ingest(shared, write(tmp_path / "a.fits", header=cards(EXPID=81)))
    (row,) = list_raws(shared, "tiny", exposures=[81])
    answer = show_raw(shared, "tiny", row)
    assert (answer["faults"], answer["amplifiers"][0]["gain"]) == ([], 2.0)

    remove_raws(shared, "tiny", [row])

    assert list_raws(shared, "tiny", exposures=[81]) == []
    assert statuses(ingest(shared, write(tmp_path / "b.fits", header=cards(EXPID=81, FILTER="V")))) == ["ingested"]
    assert record(shared, 81).physical_filter == "V"


def test_nan_pixels_are_the_same_pixels(shared: Repositories, tmp_path: Path) -> None:
    data = counts().astype("f4")
    data[2, 3] = np.nan
    files = [write(tmp_path / f"{name}.fits", data, cards(EXPID=82)) for name in "ab"]
    assert statuses(ingest(shared, *files)) == ["ingested", "skipped"]
