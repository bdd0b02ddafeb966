"""Bucket and key rules of the Large File Annex, with answers worked out by hand."""

from __future__ import annotations

import re
import uuid

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from underbutler.clock import observing_day
from underbutler.model.naming import (
    bucket_of,
    check_key,
    make_bucket_name,
    make_key,
    parse_s3_url,
    product_key,
    routing_key,
    run_name,
    s3_url,
    salname_of,
)

TARGET = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_the_bucket_name_is_the_seeds() -> None:
    assert make_bucket_name("ATPtg", None, "Summit") == "rubinobs-lfa-summit-atptg"
    assert make_bucket_name("MTCamera", "Blue.1", "NCSA", "Test") == "rubinobs-test-ncsa-mtcamera.blue.1"


@pytest.mark.parametrize("bad", ["", ".a", "a.", "-a", "a_b", "a-b", "é", " a", "a b", "a\n"])
@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_every_argument_keeps_the_rule(bad: str, position: int) -> None:
    arguments = ["ATPtg", "1", "Summit", "LFA"]
    arguments[position] = bad
    with pytest.raises(ValueError, match="must begin and end"):
        make_bucket_name(*arguments)


def test_a_bucket_name_has_at_most_63_characters() -> None:
    fits = "a" * (63 - len("rubinobs-lfa-summit-"))
    assert len(make_bucket_name(fits, None, "Summit")) == 63
    with pytest.raises(ValueError, match="64 characters"):
        make_bucket_name(fits + "a", None, "Summit")


@given(st.text("abcXYZ019.", min_size=1, max_size=12))
def test_a_bucket_name_is_lower_case_and_legal_or_refused(salname: str) -> None:
    try:
        name = make_bucket_name(salname, None, "Summit")
    except ValueError:
        assert salname[0] == "." or salname[-1] == "."
    else:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name)


def test_the_key_is_the_seeds() -> None:
    date = Time("2020-04-02T11:22:33.4567", scale="tai")
    assert make_key("ATPtg", "raw", date) == "2020/04/01/ATPtg-raw-20200401-2020-04-02T11:22:33.457"


def test_a_noon_rounding_exposure_stays_on_one_observing_day() -> None:
    """11:59:59.9996 TAI rounds to noon: key and day must agree."""
    date = Time("2020-04-02T11:59:59.9996", scale="tai")
    assert make_key("A", "g", date) == "2020/04/02/A-g-20200402-2020-04-02T12:00:00.000"
    assert observing_day(date) == 20200402
    before = Time("2020-04-02T11:59:59.9994", scale="tai")
    assert make_key("A", "g", before) == "2020/04/01/A-g-20200401-2020-04-02T11:59:59.999"
    assert observing_day(before) == 20200401


def test_a_utc_date_is_taken_to_tai() -> None:
    """In 2020 TAI is 37 s ahead of UTC."""
    assert make_key("A", "g", Time("2020-04-02T11:59:30", scale="utc")).startswith(
        "2020/04/02/A-g-20200402-2020-04-02T12:00:07"
    )


def _key(**changes: object) -> str:
    arguments: dict[str, object] = {
        "instrument": "STE3",
        "task": "processCcd",
        "dataset_type": "calexp",
        "date": Time("2013-07-13T00:58:08.000", scale="tai"),
        "data_id": {"instrument": "STE3", "exposure": 20130713005733, "detector": 0},
        "target": TARGET,
        "claim_no": 1,
        "suffix": ".fits",
    }
    return product_key(**(arguments | changes))  # type: ignore[arg-type]


def test_a_product_key_is_the_seeds_key_made_unique_and_fenced() -> None:
    assert _key() == (
        "2013/07/12/STE3-processCcd.calexp-20130712-2013-07-13T00:58:08.000-detector=0-"
        "12345678-1234-5678-1234-567812345678.1.fits"
    )


def test_two_detectors_and_two_claims_never_share_a_key() -> None:
    keys = {
        _key(claim_no=n, data_id={"instrument": "STE3", "exposure": 1, "detector": d}) for n in (1, 2) for d in (0, 1)
    }
    assert len(keys) == 4


def test_the_salobj_layout_begins_with_the_instrument() -> None:
    assert _key(layout="salobj").startswith(
        "STE3/processCcd.calexp/2013/07/12/STE3_processCcd.calexp_2013-07-13T00:58:08.000-"
    )
    assert bucket_of("STE3", s3instance="Summit", layout="salobj") == "rubinobs-lfa-summit"


def test_an_instruments_name_loses_what_the_rule_forbids() -> None:
    assert salname_of("LSSTCam-imSim") == "LSSTCamimSim"
    assert bucket_of("My_Cam", s3instance="local") == "rubinobs-lfa-local-mycam"
    with pytest.raises(ValueError, match="rename"):
        salname_of("___")


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "a\x00b", "a/./b", "x" * 1025])
def test_a_key_that_s3_does_not_take_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="The key"):
        check_key(key)


def test_an_s3_url_comes_apart_as_it_was_put_together() -> None:
    assert parse_s3_url(s3_url("bucket", "a/b c#1")) == ("bucket", "a/b c#1")
    for bad in ("http://x/y", "s3://bucket", "s3:///key", ""):
        with pytest.raises(ValueError, match="s3://bucket/key"):
            parse_s3_url(bad)


def test_a_routing_key_has_three_words() -> None:
    assert routing_key("My.Cam", "process ccd", "cal#exp") == "My_Cam.process_ccd.cal_exp"


def test_a_job_gets_a_run_of_its_own() -> None:
    name = run_name(user="ann@site", task="processCcd", stamp="20261120T041502Z", job=TARGET)
    assert name == "u/ann_site/processCcd/20261120T041502Z-12345678"
