"""One frame through ``processCcd``, stage by stage, beside the same calls of the same libraries in a bare script.

A simulated frame with its masters, in memory, one thread. Times are those on a core, which other programs change
little. The bare script calls ccdproc, astroscrappy and sep with the task's parameters: overscan, trim, gain, bias,
flat; cosmic rays; the background twice, detection twice; centroids, circular apertures, Kron ellipses. It makes no
mask planes, no flags, no profile fit, no table and no header. Pictures are measured apart: no library call stands
beside them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from _place import own_folder
from _rounds import Row, Series, interleaved, parse, print_machine, print_table, verdict
from _stopwatch import REST, Spent, Stopwatch

TARGET_RATIO = 1.25
STAGES = {
    "overscan, trim, gain, bias, flat": ("tasks.isr", "IsrTask"),
    "cosmic rays": ("tasks.repair", "CosmicRayTask"),
    "background, detection": ("tasks.detect", "DetectTask"),
    "centroids, photometry": ("tasks.measure", "MeasureTask"),
}
WHOLE_TASK, WHOLE_SCRIPT, PICTURES = "processCcd", "the calls in a bare script", "two pictures"


def main() -> None:
    """Measure and print."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read when astroscrappy is loaded
    quick = parse(__doc__).quick
    side = 256 if quick else 1024
    print_machine("before")
    with own_folder() as folder:
        frame = Frame(folder, side)
        stopwatch = Stopwatch()
        found = frame.by_task(), frame.by_script(stopwatch)  # before anything is wrapped
        for name, (module, task) in STAGES.items():
            stopwatch.wrap(getattr(__import__(module, fromlist=[task]), task), "run", f"{name}: task")
        variants = {
            WHOLE_TASK: lambda: stopwatch.measure(frame.by_task),
            WHOLE_SCRIPT: lambda: stopwatch.measure(lambda: frame.by_script(stopwatch)),
            PICTURES: lambda: stopwatch.measure(frame.pictures),
        }
        samples = interleaved(variants, rounds=1 if quick else 15, budget_s=120, warm_up=0 if quick else 1)
    whole = {name: Series(tuple(_sum(one).cpu for one in taken)) for name, taken in samples.items()}
    rows: dict[str, Row] = {}
    for name in STAGES:
        script = _stage(samples[WHOLE_SCRIPT], f"{name}: script")
        rows[f"{name}: script"] = Row(script)
        rows[f"{name}: task"] = _ratio(_stage(samples[WHOLE_TASK], f"{name}: task"), script)
    rows["bridging, header: task"] = Row(_stage(samples[WHOLE_TASK], REST))
    rows[WHOLE_SCRIPT] = Row(whole[WHOLE_SCRIPT])
    rows[WHOLE_TASK] = _ratio(whole[WHOLE_TASK], whole[WHOLE_SCRIPT])
    rows[PICTURES] = Row(whole[PICTURES])
    print_table(f"One frame of {side} x {side} px", rows, note="CPU time; ratio: script over task")
    print(f"sources: {found[0]} by the task, {found[1]} by the script")
    cost = whole[WHOLE_SCRIPT].times_less_than(whole[WHOLE_TASK])
    verdict(f"≤ {TARGET_RATIO} x the calls", f"{cost.median:.2f} x", met=cost.median <= TARGET_RATIO, quick=quick)
    print_machine("after")


class Frame:
    """A raw frame with its masters, and what is done with it."""

    def __init__(self, folder: Path, side: int) -> None:
        from tasks.make_calib import MakeBiasTask, MakeFlatTask
        from tasks.process_ccd import ProcessCcdTask
        from underbutler.butlers.raw_frames import read_raw_frame
        from underbutler.testing.night import simulate_night

        night = simulate_night(folder, n_bias=3, n_flat=3, n_science=1, detectors=(0,), shape=(side, side))
        paths = {frame.exposure: frame.path for frame in night.frames}
        files = _Files(lambda exposure: read_raw_frame(paths[exposure]))
        self.bias = MakeBiasTask().run(files, [frame.exposure for frame in night.of_kind("BIAS")])
        files.masters["bias"] = self.bias
        self.flat = MakeFlatTask().run(files, [frame.exposure for frame in night.of_kind("FLAT")])
        self.raw = read_raw_frame(night.of_kind("OBJECT")[0].path)
        self.task = ProcessCcdTask()
        self.result: Any = None
        self.cosmic_ray_call = self._recorded_call()

    def by_task(self) -> int:
        """Reduce it by the task; return how many sources it has."""
        self.result = self.task.run(self.raw, bias=self.bias, flat=self.flat)
        return len(self.result.sources)

    def pictures(self) -> None:
        """Draw its pictures."""
        self.task.preview.run(
            self.result.exposure, self.result.sources, title="a frame", orientation=self.result.orientation
        )

    def by_script(self, stopwatch: Stopwatch) -> int:
        """Reduce it by the libraries' own calls; return how many sources it has."""
        stages = [f"{name}: script" for name in STAGES]
        with stopwatch.part(stages[0]):
            ccd = self._corrected()
        with stopwatch.part(stages[1]):
            image = self._cleaned()
        with stopwatch.part(stages[2]):
            objects, image, rms = self._detected(image)
        with stopwatch.part(stages[3]):
            self._measured(image, objects, ccd, rms)
        return len(objects)

    def _corrected(self) -> Any:
        import ccdproc
        import numpy as np
        from astropy import units
        from astropy.nddata import CCDData, VarianceUncertainty

        header = self.raw.header
        ccd = CCDData(self.raw.data.astype(np.float32), unit="adu", header=header)
        ccd = ccdproc.subtract_overscan(ccd, fits_section=header["BIASSEC"], median=True, overscan_axis=1)
        ccd = ccdproc.trim_image(ccd, fits_section=header["TRIMSEC"])
        ccd = ccdproc.gain_correct(ccd, header["GAIN"] * units.electron / units.adu)
        bias, flat = (
            CCDData(one.image, unit=unit, uncertainty=VarianceUncertainty(one.variance))
            for one, unit in ((self.bias, units.electron), (self.flat, units.dimensionless_unscaled))
        )
        ccd = ccdproc.subtract_bias(ccd, bias)
        ccd.uncertainty = VarianceUncertainty(np.maximum(ccd.data, 0.0) + header["RDNOISE"] ** 2 + self.bias.variance)
        return ccdproc.flat_correct(ccd, flat, norm_value=1.0)

    def _recorded_call(self) -> tuple[Any, dict[str, Any]]:
        """Return what the task gives astroscrappy: an image without its bad columns, which cost it most of its time."""
        from unittest import mock

        import astroscrappy

        with mock.patch.object(astroscrappy, "detect_cosmics", wraps=astroscrappy.detect_cosmics) as call:
            self.by_task()
        return call.call_args.args[0].copy(), dict(call.call_args.kwargs)

    def _cleaned(self) -> Any:
        import astroscrappy

        image, options = self.cosmic_ray_call
        return astroscrappy.detect_cosmics(image, **options)[1]

    def _detected(self, image: Any) -> Any:
        import numpy as np
        import sep

        config = self.task.config.detect
        objects: Any = None
        covered, rest, rms = None, image, 1.0
        for _ in range(2):
            model = sep.Background(image, mask=covered, bw=config.mesh, bh=config.mesh)
            rest, rms = image - model.back(dtype=np.float32), model.globalrms
            objects, segments = sep.extract(
                rest,
                config.threshold,
                err=rms,
                minarea=config.minarea,
                deblend_nthresh=config.deblendLevels,
                deblend_cont=config.deblendContrast,
                segmentation_map=True,
            )
            covered = segments > 0
        return objects, rest, rms

    def _measured(self, image: Any, objects: Any, ccd: Any, rms: float) -> None:
        import numpy as np
        import sep

        error = np.sqrt(np.ascontiguousarray(ccd.uncertainty.array, dtype=np.float32))
        x, y = objects["x"], objects["y"]
        for _ in range(2):
            x, y, _ = sep.winpos(image, x, y, 1.27)
        sep.sum_circle(image, x, y, 4.5, err=error)
        sep.sum_circle(image, x, y, 4.5, err=error)
        shape = (objects["a"], objects["b"], np.clip(objects["theta"], -np.pi / 2, np.pi / 2))
        radius, _ = sep.kron_radius(image, x, y, *shape, 6.0)
        sep.sum_ellipse(image, x, y, *shape, np.clip(2.5 * radius, 0.1, 15.0), err=error, subpix=1)
        assert rms > 0


class _Files:
    """A reference to files: what the tasks of calibrations read from."""

    collections: tuple[str, ...] = ()
    repo = "files"

    def __init__(self, read: Any) -> None:
        self.data_id = {"instrument": "SIMCAM", "detector": 0}
        self.masters: dict[str, Any] = {}
        self._read = read

    def instrument_map(self) -> None:
        return None

    def get(self, name: str, **rest: Any) -> Any:
        return self._read(rest["exposure"]) if name == "raw" else self.masters[name]


def _stage(samples: Any, name: str) -> Series:
    return Series(tuple(one.get(name, Spent()).cpu for one in samples))


def _sum(sample: Any) -> Spent:
    return sum(sample.values(), Spent())


def _ratio(series: Series, base: Series) -> Row:
    """Return a line that tells how it compares with its base."""
    return Row(series, base)


if __name__ == "__main__":
    main()
