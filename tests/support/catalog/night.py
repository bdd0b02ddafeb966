"""A night of runs as the recorder writes them, with values that are known: into a database, with images beside it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from underbutler.catalog import CatalogStore
from underbutler.migrations import upgrade

NAMESPACE = uuid.UUID("5b1e0c5e-0000-4000-8000-000000000000")
EVENING = 1795204800.0
"""2026-11-20 20:00:00 UTC."""
FIRST_EXPOSURE = 2026112000015
Documents = list[tuple[str, dict[str, Any]]]


def scalar(dtype: str = "number", source: str = "task metadata", **more: Any) -> dict[str, Any]:
    return {"source": source, "dtype": dtype, "shape": [], **more}


def image_of(number: int, side: int) -> np.ndarray[Any, Any]:
    """Return a sky of 130 electrons with 12 stars, float32, shape ``(side, side)``."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[:side, :side]
    image = random.normal(130.0, 13.0, (side, side))
    for star_y, star_x, flux in zip(*random.uniform(0, side, (2, 12)), random.pareto(1.2, 12) * 400 + 60, strict=True):
        image += flux * np.exp(-((y - star_y) ** 2 + (x - star_x) ** 2) / (2 * 1.27**2))
    return image.astype("float32")


def frame_of(exposure: int, detector: int, folder: Path, side: int) -> Path:
    path = folder / f"SIMCAM-processCcd.calexp-20261120-{exposure}-detector={detector}.fits"
    fits.ImageHDU(image_of(exposure + detector, side), name="IMAGE").writeto(path)
    return path


def reduced_run(
    name: str, folder: Path, *, time: float, scan_id: int, n_exposures: int = 3, side: int = 48
) -> Documents:
    """Return a run of ``processCcd`` on two detectors; the second one of the last exposure failed.

    ``fwhm`` is 3 + exposure / 10 + detector / 100, counted from 0; ``n_sources`` 240 - 5 × exposure + detector.
    """
    uid = str(uuid.uuid5(NAMESPACE, name))
    exposures = [FIRST_EXPOSURE + number for number in range(n_exposures)]
    start = {
        "uid": uid,
        "time": time,
        "scan_id": scan_id,
        "plan_name": "processCcd",
        "task": "processCcd",
        "label": "demo",
        "out": "demo",
        "run": f"u/ann/processCcd/20261120T200000Z-{uid[-8:]}",
        "collections": ["SIMCAM/raw", "SIMCAM/calib"],
        "owner": "ann",
        "config_digest": "0" * 64,
        "overrides": [["detect.threshold", 3.0]],
        "options": {},
        "versions": {"underbutler": "0.1.0"},
        "num_points": 2 * n_exposures,
        "data_id": {"detector": [0, 1], "exposure": exposures, "instrument": "SIMCAM"},
    }
    keys = {
        "target": scalar("integer", "records"),
        "detector": scalar("integer", "data ID"),
        "exposure": scalar("integer", "data ID"),
        "instrument": scalar("string", "data ID"),
        "seconds": scalar(source="records", units="s"),
        "fwhm": scalar(units="pixel"),
        "n_sources": scalar("integer"),
        "calexp": {
            "source": "annex",
            "dtype": "array",
            "shape": [side, side],
            "dtype_numpy": "<f4",
            "dims": ["y", "x"],
            "external": "ANNEX:",
        },
    }
    descriptor = {
        "uid": f"{uid}-primary",
        "run_start": uid,
        "time": time + 1,
        "name": "primary",
        "data_keys": keys,
        "object_keys": {"processCcd": list(keys)},
        "configuration": {},
        "hints": {"processCcd": {"fields": ["fwhm", "n_sources"]}},
    }
    documents: Documents = [("start", start), ("descriptor", descriptor)]
    targets = [(exposure, detector) for exposure in range(n_exposures) for detector in (0, 1)]
    for number, (exposure, detector) in enumerate(targets[:-1], 1):
        dataset = str(uuid.uuid5(NAMESPACE, f"{name} {exposure} {detector}"))
        path = frame_of(exposures[exposure], detector, folder, side)
        resource = {
            "uid": dataset,
            "run_start": uid,
            "spec": "ANNEX_FITS",
            "root": "",
            "resource_path": str(path),
            "resource_kwargs": {"dataset": dataset, "size": path.stat().st_size},
            "path_semantics": "posix",
        }
        datum = {"datum_id": f"{dataset}/0", "resource": dataset, "datum_kwargs": {}}
        data = {
            "target": number - 1,
            "detector": detector,
            "exposure": exposures[exposure],
            "instrument": "SIMCAM",
            "seconds": 1.5 + number / 8,
            "fwhm": round(3 + exposure / 10 + detector / 100, 2),
            "n_sources": 240 - 5 * exposure + detector,
            "calexp": datum["datum_id"],
        }
        documents += [("resource", resource), ("datum", datum), ("event", event_of(uid, "primary", number, time, data))]
    words = {name: scalar("string", "records") for name in ("exit_status", "error_type", "reason")}
    problems = {
        **descriptor,
        "uid": f"{uid}-problems",
        "name": "problems",
        "time": time + 2,
        "data_keys": {key: keys[key] for key in ("target", "detector", "exposure", "instrument")} | words,
        "object_keys": {},
        "hints": {},
    }
    failed = {
        "target": len(targets) - 1,
        "detector": 1,
        "exposure": exposures[-1],
        "instrument": "SIMCAM",
        "exit_status": "failed",
        "error_type": "UsageError",
        "reason": "The frame is saturated.",
    }
    documents += [("descriptor", problems), ("event", event_of(uid, "problems", 1, time, failed))]
    n_done = len(targets) - 1
    stop = {
        "uid": f"{uid}-stop",
        "run_start": uid,
        "time": time + 22.4,
        "exit_status": "fail",
        "reason": f"{n_done} done, 1 failed",
        "counts": {"done": n_done, "failed": 1},
        "dataset_counts": {"calexp": n_done},
        "datasets": [document["uid"] for kind, document in documents if kind == "resource"],
        "num_events": {"primary": n_done, "problems": 1},
    }
    return [*documents, ("stop", stop)]


def event_of(uid: str, stream: str, number: int, time: float, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "uid": str(uuid.uuid5(NAMESPACE, f"{uid} {stream} {number}")),
        "descriptor": f"{uid}-{stream}",
        "seq_num": number,
        "time": time + 2 * number,
        "data": data,
        "timestamps": dict.fromkeys(data, time + 2 * number),
        "filled": {"calexp": False} if "calexp" in data else {},
    }


def small_run(name: str, *, time: float, scan_id: int, task: str, level: float, ended: bool = True) -> Documents:
    """Return a run of one event, whose field ``level`` is given."""
    uid = str(uuid.uuid5(NAMESPACE, name))
    start = {"uid": uid, "time": time, "scan_id": scan_id, "plan_name": task, "task": task, "label": "demo"}
    keys = {"detector": scalar("integer", "data ID"), "level": scalar(units="electron")}
    descriptor = {"uid": f"{uid}-primary", "run_start": uid, "time": time, "name": "primary", "data_keys": keys}
    event = event_of(uid, "primary", 1, time, {"detector": 0, "level": level})
    del event["filled"]
    documents: Documents = [("start", {**start, "num_points": 2}), ("descriptor", descriptor), ("event", event)]
    stop = {"uid": f"{uid}-stop", "run_start": uid, "time": time + 1.5, "exit_status": "success"}
    stop |= {"counts": {"done": 1}, "num_events": {"primary": 1}}
    return [*documents, ("stop", stop)] if ended else documents


def night(folder: Path, *, n_exposures: int = 3, side: int = 48) -> str:
    """Make ``records.db`` and its images in a folder; return the database's URL.

    The newest run is open; before it comes a `reduced_run`, scan 3, and before that a bias, scan 1.
    """
    images = folder / "annex"
    images.mkdir(parents=True)
    url = f"sqlite:///{folder / 'records.db'}"
    upgrade(url)
    store = CatalogStore.open(url)
    store.import_run(small_run("bias", time=EVENING, scan_id=1, task="makeBias", level=1000.25))
    store.import_run(reduced_run("night", images, time=EVENING + 600, scan_id=3, n_exposures=n_exposures, side=side))
    store.import_run(small_run("flat", time=EVENING + 900, scan_id=4, task="makeFlat", level=2.5, ended=False))
    return url
