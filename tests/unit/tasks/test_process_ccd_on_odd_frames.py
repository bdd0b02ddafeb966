"""Frames that are not what a task hopes for: empty, constant, crowded, without calibrations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData

from tasks.process_ccd import ProcessCcdTask
from underbutler.errors import LostDatasetError, UsageError


def process(counts: np.ndarray, **options: Any) -> Any:
    header = {"GAIN": 1.0, "RDNOISE": 5.0}
    config = ProcessCcdTask.ConfigClass()
    config.doOverscan = config.doBias = config.doFlat = config.isr.doTrim = False
    for path, value in options.items():
        node: Any = config
        *owners, name = path.split("__")
        for owner in owners:
            node = getattr(node, owner)
        setattr(node, name, value)
    return ProcessCcdTask(config=config).run(CCDData(counts.astype(np.float32), unit="adu", meta=header))


def test_a_frame_without_a_star_has_an_empty_table() -> None:
    result = process(np.random.default_rng(1).normal(100.0, 5.0, (128, 128)), detect__threshold=8.0)
    assert len(result.sources) == 0
    assert {"x", "y", "flux", "flag_bad"} <= set(result.sources.colnames)
    assert "fwhm_px" not in result.scalars, "what cannot be measured is absent, not made up"
    assert result.scalars["n_sources"] == 0


def test_a_constant_frame_has_no_source() -> None:
    assert len(process(np.full((96, 96), 250.0)).sources) == 0


def test_a_hole_in_a_frame_makes_no_source() -> None:
    counts = np.random.default_rng(2).normal(100.0, 5.0, (128, 128))
    counts[40:70, 50:90] = np.nan
    result = process(counts, detect__threshold=4.0)
    assert len(result.sources) == 0
    assert result.exposure.plane("NO_DATA").sum() == 30 * 40
    assert np.isfinite(result.exposure.image).all()


def test_a_saturated_star_is_found_and_flagged() -> None:
    y, x = np.mgrid[0:128, 0:128]
    star = 3e5 * np.exp(-((x - 60) ** 2 + (y - 70) ** 2) / (2 * 2.0**2))
    counts = np.minimum(np.random.default_rng(3).normal(100.0, 10.0, (128, 128)) + star, 65535.0)
    sources = process(counts, detect__threshold=5.0).sources
    near = np.hypot(sources["x"].value - 60, sources["y"].value - 70) < 2
    assert near.sum() == 1
    assert sources["flag_saturated"][near][0]


def test_a_full_pixel_buffer_is_reported_with_its_cure() -> None:
    counts = np.random.default_rng(4).normal(100.0, 5.0, (256, 256))
    with pytest.raises(UsageError, match=r"Detection at 0\.01 sigma.*detect\.threshold"):
        process(counts, detect__threshold=0.01, detect__maxPixels=10_000)


def test_numbers_for_tables_are_plain_json_numbers() -> None:
    scalars = process(np.random.default_rng(1).normal(100.0, 5.0, (128, 128))).scalars
    assert {type(value) for value in scalars.values()} <= {int, float}
    assert all(np.isfinite(value) for value in scalars.values())


class BareRef:
    """A reference to a frame for which no calibration exists."""

    data_id = {"instrument": "SIMCAM", "exposure": 7, "detector": 1}
    collections = ("SIMCAM/raw", "SIMCAM/calib")
    repo = "demo"

    def __str__(self) -> str:
        return "exposure=7 detector=1 instrument='SIMCAM'"

    def get(self, name: str) -> Any:
        raise LostDatasetError(f"no {name}", dataset_type=name)

    def put(self, obj: Any, name: str) -> None:
        raise AssertionError("nothing half-written")


def test_a_missing_calibration_says_which_for_what_and_a_cure() -> None:
    with pytest.raises(LostDatasetError) as caught:
        ProcessCcdTask().runDataRef(BareRef())
    text = str(caught.value)
    for words in (
        "No bias is valid for exposure=7 detector=1 instrument='SIMCAM'",
        "SIMCAM/raw, SIMCAM/calib of 'demo'",
        "underbutler submit makeBias demo --inputId instrument=SIMCAM detector=1",
        "-c doBias=false",
    ):
        assert words in text
