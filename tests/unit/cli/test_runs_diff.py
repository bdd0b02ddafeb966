"""``underbutler runs diff``: what differs, with how much, and in which direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.catalog.commands import underbutler_command  # noqa: F401 - a fixture
from tests.support.catalog.night import EVENING, FIRST_EXPOSURE, reduced_run
from tests.support.catalog.rows import run_of
from underbutler.butlers import CcdImage
from underbutler.catalog import export_run
from underbutler.cli.runs.pixels import compare_images


def changed(documents: Any) -> Any:
    """Return a night's run as it is after a change: threshold 2, FWHM 0.25 px more, 5 sources fewer on detector 1.

    The target that failed is done, and the first of detector 1 has no FWHM.
    """
    last: Any = None
    for kind, document in documents:
        match kind:
            case "start":
                document["overrides"] = [["detect.threshold", 2.0], ["label", "[red]"]]
                document["versions"] = {"underbutler": "0.2.0", "sep": "1.4"}
            case "event" if document["descriptor"].endswith("primary"):
                data = document["data"]
                data["fwhm"] = round(data["fwhm"] + 0.25, 2)
                if data["detector"] == 1:
                    data["n_sources"] -= 5
                if (data["exposure"], data["detector"]) == (FIRST_EXPOSURE, 1):
                    data["fwhm"] = float("nan")
                last = document
            case "event":
                data = last["data"] | {key: document["data"][key] for key in ("target", "detector", "exposure")}
                document["descriptor"] = last["descriptor"]
                document["data"], document["seq_num"] = data, last["seq_num"] + 1
                document["timestamps"] = last["timestamps"]
            case "stop":
                document["num_events"] = {"primary": 6, "problems": 0}
        yield kind, document


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("two")
    frames = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    export_run(reduced_run("first", frames[0], time=EVENING, scan_id=1), folder)
    export_run(changed(reduced_run("second", frames[1], time=EVENING + 600, scan_id=2)), folder)
    export_run(run_of("foreign", time=1000.0, scan_id=3), folder)
    return str(folder)


def test_numbers_tell_how_much_and_in_which_direction(underbutler: Any, catalog: str) -> None:
    """FWHM is 3.00, 3.01, 3.10, 3.11, 3.20 before; of four targets both have one, 0.25 more: 8.06 % of 3.1."""
    found = underbutler("runs", "diff", "1", "2", "--catalog", catalog, "--json").json
    assert found["same"] is False
    assert found["in_both"] == 5
    fwhm, n_sources, seconds = found["numbers"]
    assert (fwhm["name"], fwhm["units"], fwhm["targets"], fwhm["only_one"]) == ("fwhm", "pixel", 4, 1)
    assert (fwhm["higher"], fwhm["lower"], fwhm["same"]) == (4, 0, 0)
    assert fwhm["median_change"] == pytest.approx(0.25)
    assert fwhm["median_relative"] == pytest.approx((0.25 / 3.10 + 0.25 / 3.11) / 2)
    assert (n_sources["higher"], n_sources["lower"], n_sources["same"]) == (0, 2, 3)
    assert (n_sources["largest_change"], n_sources["median_change"]) == (-5, 0)
    assert n_sources["largest_at"] == f"detector=1 exposure={FIRST_EXPOSURE} instrument='SIMCAM'"
    assert seconds["same"] == 5
    back = underbutler("runs", "diff", "2", "1", "--catalog", catalog, "--json").json
    assert back["numbers"][0]["median_change"] == pytest.approx(-0.25)


def test_configuration_versions_and_targets_are_compared(underbutler: Any, catalog: str) -> None:
    found = underbutler("runs", "diff", "1", "2", "--catalog", catalog, "--json").json
    assert found["configuration_is_whole"] is False
    assert found["configuration"] == [
        {"name": "detect.threshold", "a": 3.0, "b": 2.0},
        {"name": "label", "a": None, "b": "[red]"},
    ]
    assert found["versions"] == [
        {"name": "sep", "a": None, "b": "1.4"},
        {"name": "underbutler", "a": "0.1.0", "b": "0.2.0"},
    ]
    name = f"detector=1 exposure={FIRST_EXPOSURE + 2} instrument='SIMCAM'"
    assert found["targets"] == [{"target": name, "a": "failed: UsageError", "b": "done"}]


def test_the_table_says_the_same(underbutler: Any, catalog: str) -> None:
    out = underbutler("runs", "diff", "1", "2", "--catalog", catalog).out
    rows = [line.split() for line in out.splitlines()]
    assert ["detect.threshold", "3.0", "2.0"] in rows
    assert ["label", "absent", "[red]"] in rows
    (fwhm,) = [row for row in rows if row[:1] == ["fwhm"]]
    assert fwhm[1:9] == ["pixel", "4", "3.105", "3.355", "+0.25", "+8.05", "4", "0"]
    assert "failed: UsageError" in out
    assert "the same: seconds" in out


def test_only_chosen_targets_are_compared(underbutler: Any, catalog: str) -> None:
    found = underbutler("runs", "diff", "1", "2", "--catalog", catalog, "--json", "--target", "detector=0").json
    assert (found["in_both"], found["targets"]) == (3, [])
    assert [one["name"] for one in found["numbers"] if one["lower"]] == []


def test_a_run_does_not_differ_from_itself(underbutler: Any, catalog: str) -> None:
    said = underbutler("runs", "diff", "1", "1", "--catalog", catalog)
    assert "They do not differ, in 5 targets." in said.out
    assert underbutler("runs", "diff", "3", "3", "--catalog", catalog, "--json").json["same"] is True


def test_what_cannot_be_compared_is_a_sentence(underbutler: Any, catalog: str) -> None:
    for words, said in (
        (["--type", "calexp"], "--type names the images"),
        (["--target", "detector"], "should be KEY=VALUE"),
        (["--pixels"], "names no RUN collection"),
    ):
        ended = underbutler("runs", "diff", "3", "1", "--catalog", catalog, *words)
        assert (ended.code, said in ended.err) == (2, True), ended.err


def image(**changes: Any) -> CcdImage:
    pixels = np.zeros((4, 5), dtype=np.float32)
    pixels[0, 0] = np.nan
    mask = np.zeros((4, 5), dtype=np.uint8)
    mask[1, 1] = 2
    planes = changes.pop("planes", {"BAD": 0, "SAT": 1})
    for where, value in changes.pop("set", {}).items():
        pixels[where] = value
    return CcdImage(
        image=pixels, mask=mask, variance=np.ones((4, 5), dtype=np.float32), unit="electron", mask_planes=planes
    )


def test_images_are_compared_pixel_by_pixel() -> None:
    """Of 20 pixels one is NaN in both and two differ, by 3 and -4: their squares are 25 of 19 pixels."""
    found = compare_images(image(), image(set={(2, 2): 3.0, (3, 3): -4.0}))
    assert (found.pixels, found.differing, found.fraction, found.largest) == (20, 2, 0.1, 4.0)
    assert found.rms == pytest.approx((25 / 19) ** 0.5)
    assert found.mean == pytest.approx(-1 / 19)
    assert (found.unit, found.mask) == ("electron", {})


def test_a_pixel_that_is_nan_in_one_alone_differs() -> None:
    found = compare_images(image(), image(set={(2, 2): np.nan}))
    assert (found.differing, found.largest) == (1, 0.0)


def test_masks_are_compared_by_the_names_of_their_planes() -> None:
    """Bit 1 is called SAT here and BAD there: one pixel each way."""
    assert compare_images(image(), image(planes={"SAT": 0, "BAD": 1})).mask == {"BAD": (0, 1), "SAT": (1, 0)}
    assert compare_images(image(), image(planes={"BAD": 0})).mask == {"SAT": (1, 0)}


def test_images_of_other_shapes_are_told(tmp_path: Path) -> None:
    found = compare_images(np.zeros((2, 3)), np.zeros((3, 2)))
    assert (found.pixels, found.remark) == (None, "shapes differ: (2, 3) in A, (3, 2) in B")
