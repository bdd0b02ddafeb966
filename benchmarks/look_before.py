"""The look before a job of 10⁴ targets of ``processCcd``: how long a submission waits for it.

A repository on SQLite with 10⁴ exposures of one detector, whose file is the same one, with a bias and a flat certified
over their night. "targets listed" is the runner's target list, "the look" what comes after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _place import own_folder, settings_in
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, timed, verdict

TARGET_S = 10.0
LABEL = "bench"
NIGHT = "2026-11-20T12:00:00..2026-11-21T12:00:00"


def main() -> None:
    """Measure and print."""
    from tasks.process_ccd import ProcessCcdTask
    from underbutler.butlers import Repositories

    quick = parse(__doc__).quick
    count = 5 if quick else 10_000
    print_machine("before")
    with own_folder() as folder, Repositories(settings_in(folder)) as repositories:
        make_repository(folder, repositories, count)
        words = [LABEL, "--id", "instrument=SIMCAM", "detector=0", "-d", "exposure.observation_type = 'science'"]
        command = ProcessCcdTask._makeArgumentParser().parse(
            ProcessCcdTask.ConfigClass(), words, repositories=repositories, task_class=ProcessCcdTask
        )
        with command.resources:
            runner = ProcessCcdTask.RunnerClass
            targets = runner.getTargetList(command)
            found = ProcessCcdTask.lookBefore(targets, command)
            assert not found.refusals, found.refusals
            variants = {
                "targets listed": timed(lambda: runner.getTargetList(command)),
                "the look": timed(lambda: ProcessCcdTask.lookBefore(targets, command)),
            }
            measured = interleaved(variants, rounds=1 if quick else 9, budget_s=60, warm_up=0 if quick else 1)
    series = {name: Series(tuple(values)) for name, values in measured.items()}
    rows = {name: Row(one, None) for name, one in series.items()}
    print_table(f"Before a job of {len(targets)} targets", rows, unit="s", scale=1.0)
    print("looked at: " + "; ".join(found.looked_at))
    took = series["the look"].median
    verdict(f"≤ {TARGET_S:g} s for the look", f"{took:.2f} s", met=took <= TARGET_S, quick=quick)
    print_machine("after")


def make_repository(folder: Path, repositories: Any, count: int) -> None:
    """Make a repository of so many exposures, with masters."""
    import numpy as np

    from tasks.make_calib import MakeBiasTask, MakeFlatTask
    from tasks.validity import certify, parse_validity
    from underbutler.butlers import CcdImage, create_repository, ingest_files
    from underbutler.pipe.datasets import register_dataset_types
    from underbutler.testing.night import simulate_night

    night = simulate_night(folder / "night", n_bias=0, n_flat=0, n_science=1, shape=(64, 80), filters=("r",))
    create_repository(folder / "repo", LABEL, repositories.settings)
    assert not ingest_files(repositories, LABEL, night.files).failed
    ones = np.ones((64, 80), dtype=np.float32)
    mask = np.zeros(ones.shape, dtype=np.int32)
    with repositories.butler(LABEL, writeable=True) as butler:
        add_exposures(butler, count)
        for task, name, data_id in (
            (MakeBiasTask, "bias", {}),
            (MakeFlatTask, "flat", {"physical_filter": "r"}),
        ):
            register_dataset_types(butler, {name: task.datasetTypes[name]})
            butler.collections.register(f"u/bench/{name}")
            image = CcdImage(image=ones, mask=mask, variance=ones, header={}, wcs=None, unit="", mask_planes={})
            where = {"instrument": "SIMCAM", "detector": 0, **data_id}
            ref = butler.put(image, name, where, run=f"u/bench/{name}")
            certify(butler, "SIMCAM/calib", ref.id, parse_validity(NIGHT), replace=False)


def add_exposures(butler: Any, count: int) -> None:
    """Add so many exposures like the one that is there; all have its file."""
    from astropy.time import TimeDelta
    from lsst.daf.butler import DataCoordinate, DatasetRef, FileDataset, Timespan

    (first,) = butler.query_dimension_records("exposure", instrument="SIMCAM")
    groups, exposures = [], []
    for number in range(1, count):
        begin = first.timespan.begin + TimeDelta(number, format="sec")
        name = f"bench{number}"
        groups.append({"instrument": "SIMCAM", "name": name})
        exposures.append(
            first.toDict()
            | {"id": first.id + number, "obs_id": name, "group": name, "timespan": Timespan(begin, begin)}
        )
    butler.registry.insertDimensionData("group", *groups)
    butler.registry.insertDimensionData("exposure", *exposures)
    raw = butler.find_dataset("raw", instrument="SIMCAM", exposure=first.id, detector=0, collections="SIMCAM/raw")
    wanted = [
        DataCoordinate.standardize(instrument="SIMCAM", exposure=one["id"], detector=0, universe=butler.dimensions)
        for one in exposures
    ]
    with butler.query() as query:
        expanded = list(query.join_data_coordinates(wanted).data_ids(["exposure", "detector"]).with_dimension_records())
    refs = [DatasetRef(raw.datasetType, one, run=raw.run) for one in expanded]
    butler.ingest(FileDataset(path=butler.getURI(raw), refs=refs), transfer="direct")


if __name__ == "__main__":
    main()
