"""Raw frames into a real repository."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.daf.butler import DatasetType

from underbutler.butlers import InstrumentMap, Repositories, ingest_files
from underbutler.butlers.frame_headers import frame_headers
from underbutler.errors import UnknownNameError
from underbutler.instruments.header_values import filter_name

WriteFrame = Callable[..., Path]


def records(repositories: Repositories, element: str) -> list[Any]:
    with repositories.butler("tiny") as butler:
        return list(butler.query_dimension_records(element, explain=False))


def test_a_frame_that_is_ingested_is_read_as_it_was(repositories: Repositories, write_frame: WriteFrame) -> None:
    report = ingest_files(repositories, "tiny", [write_frame(value=321)])

    assert [one.data_id for one in report.ingested] == [{"instrument": "CAM", "exposure": 1, "detector": 0}]
    with repositories.butler("tiny") as butler:
        raw = butler.get("raw", instrument="CAM", exposure=1, detector=0, collections=["CAM/raw"])
    assert raw.data.tolist() == np.full((4, 6), 321.0).tolist()
    assert (raw.unit, raw.header["GAIN"]) == ("adu", 2.0)
    (exposure,) = records(repositories, "exposure")
    assert (exposure.obs_id, exposure.group, exposure.day_obs) == ("frame", "1", 20261120)
    assert exposure.timespan.begin.utc.iso[:23] == "2026-11-20 20:00:00.000"
    assert (exposure.timespan.end - exposure.timespan.begin).sec == pytest.approx(30.0)


def test_the_same_file_again_is_skipped_and_said(repositories: Repositories, write_frame: WriteFrame) -> None:
    file = write_frame()
    copy = shutil.copy(file, file.with_name("copy.fits"))
    ingest_files(repositories, "tiny", [file])

    report = ingest_files(repositories, "tiny", [file, copy])

    assert [one.status for one in report.outcomes] == ["skipped", "skipped"]
    assert "ingested before as exposure=1 detector=0 instrument='CAM'" in report.skipped[0].note
    assert len(records(repositories, "exposure")) == 1


def test_two_detectors_of_one_exposure_share_its_record(repositories: Repositories, write_frame: WriteFrame) -> None:
    report = ingest_files(
        repositories, "tiny", [write_frame("d0.fits", DETECTOR=0), write_frame("d1.fits", DETECTOR=1)]
    )
    assert [one.data_id["detector"] for one in report.ingested if one.data_id] == [0, 1]
    assert [one.obs_id for one in records(repositories, "exposure")] == ["d0"]


def test_a_bias_of_no_duration_has_an_instant(repositories: Repositories, write_frame: WriteFrame) -> None:
    ingest_files(repositories, "tiny", [write_frame(IMAGETYP="bias", EXPTIME=0.0, FILTER=None)])
    (exposure,) = records(repositories, "exposure")
    assert not exposure.timespan.isEmpty()
    assert (exposure.observation_type, exposure.physical_filter) == ("bias", "unknown")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("f.fits.bz2", bz2.compress),
        ("f.fits.xz", lzma.compress),
        ("f.FIT.gz", gzip.compress),
        ("f.raw", bytes),
        ("f", bytes),
    ],
)
def test_a_frame_is_known_by_what_it_holds(
    repositories: Repositories, write_frame: WriteFrame, name: str, pack: Callable[[bytes], bytes]
) -> None:
    file = write_frame(value=321).with_name(name)
    file.write_bytes(pack(write_frame(value=321).read_bytes()))
    assert [one.note for one in ingest_files(repositories, "tiny", [file]).outcomes] == [""]
    with repositories.butler("tiny") as butler:
        raw = butler.get("raw", instrument="CAM", exposure=1, detector=0, collections=["CAM/raw"])
        ref = butler.find_dataset("raw", instrument="CAM", exposure=1, detector=0, collections=["CAM/raw"])
        (header,) = frame_headers(butler, [ref])
    assert (raw.data[0, 0], header.problem, header.parts[0].shape) == (321.0, "", (4, 6))


def test_filters_that_differ_in_a_sign_have_files_of_their_own(repositories: Repositories) -> None:
    """The Butler's stock names make one file of all these: the last flat would be everybody's."""
    filters = ["R/I", "R I", "R:I", "R_I", "..", "R%20I"]
    with repositories.butler("tiny", writeable=True) as butler:
        for one in filters:
            record = {"instrument": "CAM", "name": filter_name(one), "band": "unknown"}
            butler.registry.insertDimensionData("physical_filter", record)
        dimensions = butler.dimensions.conform(["instrument", "detector", "physical_filter"])
        butler.registry.registerDatasetType(DatasetType("flat", dimensions, "StructuredDataDict"))
        butler.collections.register("u/flats")
        places = [{"instrument": "CAM", "detector": 0, "physical_filter": filter_name(one)} for one in filters]
        for one, place in zip(filters, places, strict=True):
            butler.put({"filter": one}, "flat", place, run="u/flats")
        read = [butler.get("flat", place, collections=["u/flats"])["filter"] for place in places]
    assert read == filters


@pytest.mark.parametrize("date", ["1970-01-01T00:00:00", "1850-01-01T00:00:00", "9999-12-31T00:00:00"])
def test_a_clock_that_was_never_set_is_told(repositories: Repositories, write_frame: WriteFrame, date: str) -> None:
    file = write_frame(**{"DATE-OBS": date})
    (outcome,) = ingest_files(repositories, "tiny", [file]).outcomes
    assert outcome.status == "failed"
    assert f"DATE-OBS says '{date}', which is not a UTC date and time" in outcome.note
    assert "of 1971 to 2098" in outcome.note


def test_failing_files_stop_no_other_and_leave_no_record(
    repositories: Repositories, write_frame: WriteFrame, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.fits"
    broken.write_bytes(write_frame(shape=(100, 100)).read_bytes()[:5000])
    files = [
        broken,
        write_frame("no_gain.fits", EXPID=11, GAIN=None),
        write_frame("stranger.fits", EXPID=12, INSTRUME="OTHER"),
        write_frame("focus.fits", EXPID=13, IMAGETYP="focus"),
        tmp_path / "none.fits",
        tmp_path,
        write_frame("good.fits", EXPID=14),
    ]
    told: list[str] = []

    report = ingest_files(repositories, "tiny", files, progress=lambda one: told.append(one.status))

    assert told == ["failed"] * 6 + ["ingested"]
    reasons = [one.note for one in report.failed]
    for reason, expected in zip(
        reasons,
        ["broken.fits is not a readable", "lacks GAIN", "--instrument-map", "'focus'", "no file", "folder"],
        strict=True,
    ):
        assert expected in reason
    assert [one.id for one in records(repositories, "exposure")] == [14]


def test_a_copy_that_fails_takes_its_records_back(
    repositories: Repositories, write_frame: WriteFrame, tmp_path: Path
) -> None:
    (tmp_path / "repo" / "CAM").write_text("in the way of the folder CAM/raw")

    report = ingest_files(repositories, "tiny", [write_frame(DETECTOR=5, FILTER="NEW")])

    assert [one.status for one in report.outcomes] == ["failed"]
    assert records(repositories, "exposure") == []
    assert [one.id for one in records(repositories, "detector")] == [0, 1]
    (tmp_path / "repo" / "CAM").unlink()
    assert ingest_files(repositories, "tiny", [write_frame(DETECTOR=5, FILTER="NEW")]).ingested


def test_a_failed_copy_does_not_spoil_the_files_after_it(
    repositories: Repositories, write_frame: WriteFrame, tmp_path: Path
) -> None:
    """The new detector's record went with the first file; the second one brings it again."""
    in_the_way = tmp_path / "repo" / "CAM"
    in_the_way.write_text("")
    files = [write_frame(f"{n}.fits", EXPID=n, DETECTOR=5) for n in (1, 2)]

    def clear(_: object) -> None:
        if in_the_way.is_file():
            in_the_way.unlink()

    report = ingest_files(repositories, "tiny", files, progress=clear)

    assert [one.status for one in report.outcomes] == ["failed", "ingested"]


def test_another_frame_of_a_counted_exposure_is_refused(repositories: Repositories, write_frame: WriteFrame) -> None:
    ingest_files(repositories, "tiny", [write_frame("a.fits")])
    report = ingest_files(repositories, "tiny", [write_frame("b.fits", value=7)])
    assert "another frame of exposure=1 detector=0 'a'" in report.failed[0].note


def test_two_frames_of_one_second_are_moved_apart_and_said(
    repositories: Repositories, write_frame: WriteFrame, camera: InstrumentMap
) -> None:
    first, second = write_frame("a_1.fits", EXPID=None), write_frame("a_2.fits", EXPID=None, value=7)

    report = ingest_files(repositories, "tiny", [first, second, second])

    assert [one.data_id["exposure"] for one in report.outcomes if one.data_id] == [
        20261120200000,
        20261120200001,
        20261120200001,
    ]
    assert report.ingested[1].note == "exposure 20261120200000 is another frame's: this one is 20261120200001"
    assert [one.status for one in report.outcomes] == ["ingested", "ingested", "skipped"]


def test_a_camera_that_counts_from_one_each_night_has_no_clash(
    repositories: Repositories, write_frame: WriteFrame
) -> None:
    first = write_frame("a/img1.fits", EXPID=1)
    second = write_frame("b/img1.fits", EXPID=2, DATE_OBS="2026-11-21T20:00:00")
    report = ingest_files(repositories, "tiny", [first, second])
    assert len(report.ingested) == 2
    assert [one.obs_id for one in records(repositories, "exposure")] == ["img1", "img1-2"]


def test_a_map_that_was_given_once_is_kept(
    repositories: Repositories, write_frame: WriteFrame, camera: InstrumentMap
) -> None:
    other = camera.model_copy(update={"name": "NEWCAM", "match": {"INSTRUME": "NEW*"}})
    first, second = (write_frame(f"{n}.fits", EXPID=n, INSTRUME="New camera") for n in (1, 2))
    assert ingest_files(repositories, "tiny", [first]).failed
    assert ingest_files(repositories, "tiny", [first], instrument_map=other).ingested
    assert ingest_files(repositories, "tiny", [second]).ingested


def test_an_unknown_label_is_refused_with_those_that_are_known(repositories: Repositories) -> None:
    with pytest.raises(UnknownNameError, match=r"No repository is called 'tin'. Did you mean 'tiny'\?"):
        ingest_files(repositories, "tin", [])
