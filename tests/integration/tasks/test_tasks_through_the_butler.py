"""The science tasks on a real repository: masters are made, certified and found; frames are reduced with them."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tasks.make_calib import MakeBiasTask, MakeDarkTask, MakeFlatTask
from tasks.process_ccd import ProcessCcdTask
from underbutler import TaskError
from underbutler.butlers import Repositories, ingest_files
from underbutler.errors import LostDatasetError, UsageError
from underbutler.model.message import decode_element, encode_element
from underbutler.pictures.night import night_frames, read_frame
from underbutler.pipe import config_digest
from underbutler.testing.night import Night

NIGHT = "2026-11-20T12:00:00..2026-11-21T12:00:00"
SIMCAM = ("--inputId", "instrument=SIMCAM")
SCIENCE = "exposure.observation_type = 'science'"


def run(site: Repositories, task: Any, *words: str) -> Any:
    return task.parseAndRun(["sim", *words, "--doraise"], repositories=site, doReturnResults=True)


def targets_of(site: Repositories, task: Any, *words: str) -> list[Any]:
    """Return the target list of a command, as a submission makes it: before anything is written."""
    command = task._makeArgumentParser().parse(task.ConfigClass(), ["sim", *words], repositories=site, task_class=task)
    with command.resources:
        return task.RunnerClass.getTargetList(command)


def certified(site: Repositories, name: str) -> list[tuple[dict[str, Any], str, Any]]:
    """Return data ID, RUN and timespan of everything that is certified of a type."""
    with site.butler("sim") as butler:
        found = butler.registry.queryDatasetAssociations(name, collections=["SIMCAM/calib"])
        return [(dict(one.ref.dataId.required), one.ref.run, one.timespan) for one in found]


def test_masters_are_made_certified_and_used_without_options(site: Repositories, night: Night) -> None:
    """The demo's order: makeBias, makeFlat, processCcd; the calibrations are found by the exposure's time."""
    bias = run(site, MakeBiasTask, "--id", "instrument=SIMCAM", "detector=0^1", *SIMCAM, "detector=0^1")
    flat = run(site, MakeFlatTask, *SIMCAM)
    assert [result.dataRef.dataId for result in bias.resultList] == [
        {"instrument": "SIMCAM", "detector": 0},
        {"instrument": "SIMCAM", "detector": 1},
    ]
    assert len(flat.resultList) == 4, "two detectors, two filters"
    assert {result.metadata["n_inputs"] for result in bias.resultList} == {4}
    assert {result.metadata["n_inputs"] for result in flat.resultList} == {3}

    done = run(site, ProcessCcdTask, "--id", "instrument=SIMCAM", "-d", SCIENCE)

    assert len(done.resultList) == 4
    for result in done.resultList:
        data_id = result.dataRef.dataId
        stars = night.stars_of(data_id["exposure"], data_id["detector"])
        sources = result.result.sources
        for star in stars[stars["snr"] > 20]:
            assert np.hypot(sources["x"].value - star["x"], sources["y"].value - star["y"]).min() < 1.0
        assert result.metadata["n_bad_pixels"] > 0
    with site.butler("sim", collections=[done.parsedCmd.run]) as butler:
        data_id = {"instrument": "SIMCAM", "exposure": night.of_kind("OBJECT")[0].exposure, "detector": 0}
        calexp, src, picture = (butler.get(name, data_id) for name in ("calexp", "src", "preview"))
        assert butler.get("processCcd_metadata", data_id)["processCcd"]["n_sources"] == len(src)
    assert calexp.shape == (128, 160)
    assert calexp.unit == "electron"
    assert calexp.wcs is not None
    header = calexp.header
    assert header["UBRUN"] == done.parsedCmd.run
    assert header["UBCONFIG"] == config_digest(ProcessCcdTask.ConfigClass())[:32]
    ((_, bias_run, _), *_) = [one for one in certified(site, "bias") if one[0]["detector"] == 0]
    assert header["BIASUSED"] == bias_run == bias.parsedCmd.run
    assert header["BIASUUID"] == str(bias.resultList[0].result.dataset)
    assert header["FLATUSED"] == flat.parsedCmd.run
    assert header["DARKUSED"] == "none"
    assert src["flux"].unit == "electron"
    assert src["flux"].description
    assert src.meta["exposure"] == data_id["exposure"]
    assert src.meta["filter"] in ("g", "r")
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    with site.butler("sim") as butler:
        refs = night_frames(butler, 20261120, task="processCcd")
        frame = read_frame(butler, refs[0])
    assert [(ref.dataId["exposure"], ref.dataId["detector"]) for ref in refs] == [
        (exposure, detector) for exposure in [one.exposure for one in night.of_kind("OBJECT", 0)] for detector in (0, 1)
    ]
    assert frame.fwhm_arcsec == pytest.approx(1.2, abs=0.15)  # 3 px of 0.4 arcsec
    assert frame.thumbnail is not None


def test_a_dark_is_scaled_by_time_and_subtracted(site: Repositories) -> None:
    run(site, MakeBiasTask, *SIMCAM)
    made = run(site, MakeDarkTask, *SIMCAM)
    assert {result.metadata["n_inputs"] for result in made.resultList} == {3}
    for result in made.resultList:
        assert np.mean(result.result.calibration.image) == pytest.approx(0.02, abs=0.003)  # e-/s, as simulated
        assert result.result.calibration.unit == "electron / s"
    words = ("--id", "instrument=SIMCAM", "detector=0", "-d", SCIENCE, "-c", "doFlat=false")
    without = run(site, ProcessCcdTask, *words).resultList[0].result.scalars["background_e"]
    with_dark = run(site, ProcessCcdTask, *words, "doDark=true").resultList[0].result.scalars["background_e"]
    assert without - with_dark == pytest.approx(1.2, abs=0.5)  # 60 s


def test_a_master_is_valid_for_the_observing_day_of_its_frames(site: Repositories) -> None:
    made = run(site, MakeBiasTask, *SIMCAM, "detector=0")
    ((data_id, run_name, span),) = certified(site, "bias")
    assert data_id == {"instrument": "SIMCAM", "detector": 0}
    assert run_name == made.parsedCmd.run
    assert span.begin.tai.isot == "2026-11-20T12:00:00.000000"
    assert span.end.tai.isot == "2026-11-21T12:00:00.000000"


def test_a_given_validity_is_kept_and_frames_outside_lack_bias(site: Repositories) -> None:
    run(site, MakeBiasTask, *SIMCAM, "--validity", "2026-12-01..2027-01-01")
    with pytest.raises(LostDatasetError, match=r"No bias is valid for .*makeBias sim --inputId.*doBias=false"):
        run(site, ProcessCcdTask, "--id", "instrument=SIMCAM", "detector=0", "-d", SCIENCE, "--no-check")


def test_an_overlap_of_masters_names_both_and_offers_replace(site: Repositories) -> None:
    first = run(site, MakeBiasTask, *SIMCAM, "detector=0")
    before = certified(site, "bias")
    with pytest.raises(TaskError) as caught:
        run(site, MakeBiasTask, *SIMCAM, "detector=0", "--validity", "2026-11-21..2026-11-25", "--no-check")
    text = str(caught.value)
    for words in (
        "bias instrument='SIMCAM' detector=0",
        first.parsedCmd.run,
        str(first.resultList[0].result.dataset),
        NIGHT,
        "2026-11-21T00:00:00..2026-11-25T00:00:00",
        "SIMCAM/calib",
        "--replace",
    ):
        assert words in text
    assert certified(site, "bias") == before
    with site.butler("sim") as butler:
        assert len(list(butler.registry.queryDatasets("bias", collections=...))) == 1, "nothing half-written"


def test_replace_takes_its_time_and_leaves_the_rest(site: Repositories) -> None:
    first = run(site, MakeBiasTask, *SIMCAM, "detector=0", "--validity", "2026-11-01..2026-12-01").parsedCmd.run
    second = run(
        site, MakeBiasTask, *SIMCAM, "detector=0", "--validity", "2026-11-20..2026-11-25", "--replace"
    ).parsedCmd.run
    spans = sorted(
        (span.begin.tai.isot[:10], span.end.tai.isot[:10], name) for _, name, span in certified(site, "bias")
    )
    assert spans == [
        ("2026-11-01", "2026-11-20", first),
        ("2026-11-20", "2026-11-25", second),
        ("2026-11-25", "2026-12-01", first),
    ]


def test_replace_that_fails_on_the_way_changes_nothing(site: Repositories, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decertifying and certifying are one transaction."""
    run(site, MakeBiasTask, *SIMCAM, "detector=0")
    before = certified(site, "bias")
    with site.butler("sim") as butler:
        registry = type(butler.registry)

    def fail(*args: Any) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(registry, "certify", fail)
    with pytest.raises(RuntimeError, match="the power went"):
        run(site, MakeBiasTask, *SIMCAM, "detector=0", "--replace")
    assert certified(site, "bias") == before


def test_the_same_master_over_the_same_time_is_made_again(site: Repositories) -> None:
    """A second try of a target: same RUN, same UUID, same time."""
    words = (*SIMCAM, "detector=0", "-o", "u/tester/biases")
    first = run(site, MakeBiasTask, *words).resultList[0].result
    before = certified(site, "bias")
    second = run(site, MakeBiasTask, *words).resultList[0].result
    assert first.dataset == second.dataset
    assert certified(site, "bias") == before


def test_certifying_what_is_certified_says_unchanged(site: Repositories) -> None:
    from tasks.validity import certify, parse_validity

    made = run(site, MakeBiasTask, *SIMCAM, "detector=0").resultList[0].result
    with site.butler("sim", writeable=True) as butler:
        again = certify(butler, "SIMCAM/calib", made.dataset, parse_validity(NIGHT), replace=False)
        assert again == "unchanged"
        with pytest.raises(TaskError, match="overlaps"):
            certify(butler, "SIMCAM/calib", made.dataset, parse_validity("2026-11-20..2026-12-01"), replace=False)


def test_targets_travel_as_a_message_and_name_the_master(site: Repositories) -> None:
    """What is sent is JSON: the output's reference, and the exposures that it is made of."""
    elements = targets_of(site, MakeFlatTask, *SIMCAM, "detector=1")
    assert len(elements) == 2
    for element in elements:
        ref, kwargs = decode_element(json.loads(json.dumps(encode_element(element))))
        assert set(ref.dataId) == {"instrument", "detector", "physical_filter"}
        assert ref.dataset_type == "flat"
        assert len(kwargs["exposures"]) == 3
        assert kwargs["validity"] == NIGHT
        assert kwargs["replace"] is False


def test_masters_are_chosen_of_those_that_the_frames_allow(site: Repositories) -> None:
    both = targets_of(site, MakeFlatTask, "--id", "instrument=SIMCAM", "detector=0^1", *SIMCAM, "detector=0^1")
    one = targets_of(site, MakeFlatTask, "--id", "instrument=SIMCAM", "detector=1", "physical_filter=r", *SIMCAM)
    assert len(both) == 4
    assert [ref.dataId for ref, _ in one] == [{"instrument": "SIMCAM", "detector": 1, "physical_filter": "r"}]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((*SIMCAM, "--validity", "yesterday"), "--validity takes BEGIN..END"),
        ((*SIMCAM, "-c", "observationType=arc"), "None of the .* frames .* 'arc'"),
        (("--id", "instrument=SIMCAM"), "--inputId"),
        ((*SIMCAM, "detector=0", "--id", "instrument=SIMCAM", "detector=1"), "--id names a bias of detector=1"),
    ],
)
def test_a_hopeless_command_is_refused_before_any_write(site: Repositories, words: tuple[str, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        targets_of(site, MakeBiasTask, *words)


def test_too_few_frames_are_refused(site: Repositories, night: Night) -> None:
    exposures = [str(frame.exposure) for frame in night.of_kind("BIAS", 0)][:2]
    with pytest.raises(UsageError, match=r"2 frames for the bias of detector=0.*3 or more"):
        run(site, MakeBiasTask, *SIMCAM, "detector=0", f"exposure={'^'.join(exposures)}", "--no-check")
    assert certified(site, "bias") == []


def test_a_frame_that_is_not_fit_is_named(site: Repositories, night: Night, tmp_path: Path) -> None:
    """A flat without light is told by its exposure; no flat is written."""
    source = night.of_kind("BIAS", 0)[0].path
    dark = tmp_path / "dark-flat.fits"
    with fits.open(source) as hdus:
        header = copy.deepcopy(hdus[0].header)
        header["IMAGETYP"], header["EXPID"], header["FILTER"] = "FLAT", 2026112099999, "g"
        header["GAIN"] = 1.5
        fits.PrimaryHDU(np.full_like(hdus[0].data, 1000), header=header).writeto(dark)
    ingest_files(site, "sim", [dark])
    run(site, MakeBiasTask, *SIMCAM)
    with pytest.raises(UsageError, match=r"Input exposure 2026112099999: The flat frame has a median of .*no light"):
        run(site, MakeFlatTask, *SIMCAM, "detector=0")
    with site.butler("sim") as butler:
        assert (
            list(butler.registry.queryDatasets("flat", collections=..., physical_filter="g", instrument="SIMCAM")) == []
        )
