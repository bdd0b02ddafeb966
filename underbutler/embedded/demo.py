"""``underbutler demo``: the whole way of a datum on this machine, from raw frames to pictures fetched back from S3."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from underbutler.broker import make_app
from underbutler.context import ServiceContext
from underbutler.errors import UsageError
from underbutler.model.identity import short_id
from underbutler.model.job import Phase
from underbutler.model.status import status_of
from underbutler.submission.preparing import prepare
from underbutler.submission.submit import submit
from underbutler.terminal import follow_job, notice_line, stdout_console, steps, targets_table

from .stack import Stack, make_buckets

if TYPE_CHECKING:
    from celery import Celery
    from rich.console import Console

    from underbutler.butlers import IngestReport
    from underbutler.model.notice import LargeFileObjectAvailable
    from underbutler.records import JobRow
    from underbutler.settings import Settings

__all__ = ["demo"]

MARKER = ".underbutler-demo"
"""File that tells a folder of the demo from any other: only such a folder is emptied."""

REAL_FRAME = "tests/data/a8280271.fits"
"""In the ccdproc wheel: a raw frame of the SAAO 1.0 m telescope with its STE3 CCD, 150 s on a star field."""

SILENCE_S = 120.0
"""Longest time in which nothing moves, in seconds: a slow machine may take as long as it likes."""
NOTICE_PATIENCE_S = 20.0


class DemoError(UsageError):
    """Something that the demo promises did not hold."""


@click.command(short_help="Run a demonstration on this machine, in minutes.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the demo; an earlier demo in it is removed first.  [default: that of --home, else .demo]",
)
@click.option("--seed", default=20261120, show_default=True, help="Seed of the simulated night.")
@click.pass_context
def demo(ctx: click.Context, folder: Path | None, seed: int) -> None:
    """Run a demonstration of everything on this machine, in a few minutes and with nothing installed before.

    A real Redis or Valkey, an HTTP S3 server, a worker and beat start on free loopback ports; a real raw frame and a
    simulated night are ingested, calibrated and reduced through the queue; one picture is fetched back and checked.

    \b
    Examples:
      underbutler demo
      underbutler demo --dir /tmp/demo --seed 7
      underbutler --home /tmp/demo demo
    """
    folder = folder or ctx.find_root().params.get("home") or Path(".demo")
    console = stdout_console()
    begin = time.monotonic()
    home = _fresh(folder.absolute())
    with ExitStack() as stack:
        log = stack.enter_context((home / "stack.log").open("w"))
        console.print("1  The stack", style="bold", highlight=False)
        embedded = stack.enter_context(
            Stack(home, patience_s=3.0, on_line=lambda part, line: print(part, "|", line, file=log))
        )
        _say_stack(console, embedded)
        context = stack.enter_context(ServiceContext(embedded.settings))
        story = Story(console, context, make_app(embedded.settings), home)
        stack.callback(story.inbox.stop)
        story.ingest(seed)
        story.reduce()
        story.report()
        story.fetch_back()
        story.read_run()
        embedded.check()
    _say_next(console, folder, story, time.monotonic() - begin)


def _fresh(home: Path) -> Path:
    """Empty the demo's folder, if it is one, or make it."""
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise UsageError(f"{home} is not empty and not a folder of the demo. Choose another one with --dir.")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).touch()
    return home


def _say_stack(console: Console, stack: Stack) -> None:
    settings = stack.settings
    for name, where in (
        ("broker", settings.broker_url),
        ("S3", settings.s3_endpoint_url),
        ("records", settings.records_url),
        ("worker", f"Celery prefork, {stack.concurrency} children"),
        ("beat", f"sweeps every {settings.sweep_interval_s:g} s"),
    ):
        console.print(f"   {name:<9}{where}", highlight=False, soft_wrap=True)


@dataclass
class Story:
    """What the demo does, in its order."""

    console: Console
    context: ServiceContext
    app: Celery
    home: Path
    jobs: list[JobRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.context.settings)

    @property
    def settings(self) -> Settings:
        """Settings of the demo's stack."""
        return self.context.settings

    def ingest(self, seed: int) -> None:
        """Make a repository, and bring in the real frame and the simulated night."""
        from underbutler.butlers import create_repository, ingest_files
        from underbutler.testing.night import simulate_night

        say = self.console.print
        say("\n2  Frames", style="bold", highlight=False)
        create_repository(self.home / "repo", "demo", self.settings)
        make_buckets(self.settings)
        real = ingest_files(self.context.repositories, "demo", [_real_frame()])
        _expect(len(real.ingested) == 1, f"the real frame was not ingested: {_notes(real)}")
        say("   1 real frame: SAAO 1.0 m, STE3 CCD, 2013-07-13 (from the ccdproc package)")
        with steps("   simulating", None) as drawn:
            night = simulate_night(self.home / "night", seed=seed, progress=drawn)
        with steps("   ingesting ", len(night.files)) as done:
            report = ingest_files(self.context.repositories, "demo", night.files, progress=lambda _: done())
        _expect(len(report.ingested) == len(night.files), f"not every frame was ingested: {_notes(report)}")
        say(f"   {len(night.files)} simulated frames: SIMCAM, 2 detectors, seed {seed}")

    def reduce(self) -> None:
        """Make calibrations, then reduce the simulated night and the real frame, all through the queue."""
        self.console.print("\n3  Reduction, through the queue", style="bold", highlight=False)
        self.inbox.start()
        simulated = ["instrument=SIMCAM", "detector=0^1"]
        self._submit("makeBias", ["--id", *simulated, "--inputId", *simulated])
        self._submit("makeFlat", ["--id", *simulated, "--inputId", *simulated])
        self._submit("processCcd", ["--id", *simulated])
        self._submit(
            "processCcd",
            ["--id", "instrument=STE3", "-c", "doBias=false", "doDark=false", "doFlat=false"],
            label="processCcd (real)",
        )
        self.inbox.wait_for({notice.id for job in self.jobs for notice in self.context.jobs.read.notices(job.id)})
        self.inbox.drain(self.console)

    def report(self) -> None:
        """Show what was measured, and where the products are."""
        say = self.console.print
        say("\n4  Results", style="bold", highlight=False)
        science = [job for job in self.jobs if job.task == "processCcd"]
        targets = [target for job in science for target in self.context.jobs.read.targets(job.id)]
        self.console.print(targets_table(targets))
        say("   STE3: -c doBias=false doDark=false doFlat=false, because no calibrations exist for it.")
        say("\n   In S3:")
        for notice in self._notices("processCcd.calexp"):
            say(f"   {notice.url}", soft_wrap=True, highlight=False)
        say("\n   Pictures:")
        for path in self.pictures():
            say(f"   {path}", soft_wrap=True, highlight=False)

    def fetch_back(self) -> None:
        """Fetch one calexp from S3 by its notice; check size and SHA-256; open it."""
        from astropy.io import fits

        from underbutler.annex import fetch

        notice = next(n for n in self.inbox.received() if n.generator == "processCcd.calexp")
        self.console.print("\n5  Fetched back from S3 by its notice", style="bold", highlight=False)
        held = io.BytesIO()
        fetch(self.context.s3, notice, held)
        content = held.getvalue()
        _expect(len(content) == notice.byteSize, f"{notice.url} has {len(content)} bytes, not {notice.byteSize}")
        digest = hashlib.sha256(content).hexdigest()
        _expect(digest == notice.checkSum, f"{notice.url} has SHA-256 {digest}, not {notice.checkSum}")
        with fits.open(io.BytesIO(content)) as hdus:
            image = hdus["IMAGE"].data
            names = ", ".join(hdu.name for hdu in hdus)
            self.console.print(
                f"   {notice.url}\n   {notice.byteSize} bytes and SHA-256 {digest[:16]}… as announced; "
                f"opened: {names}; image {image.shape[1]}×{image.shape[0]}",
                soft_wrap=True,
                highlight=False,
            )

    def read_run(self) -> None:
        """Read the simulated night back from the catalogue: its numbers, and one picture of it out of S3."""
        from functools import partial

        from underbutler.catalog import Broker, FitsSection

        self.console.print("\n6  Read back as a run of the catalogue", style="bold", highlight=False)
        annex = {FitsSection.spec: partial(FitsSection, settings=self.settings)}
        job = next(job for job in self.jobs if job.task == "processCcd")
        run = Broker(self.settings.records_url, handler_registry=annex)[str(job.id)]
        night = run.primary(exclude=["preview"]).to_dask()
        _expect(night.sizes["time"] == job.n_targets, f"the run has {night.sizes['time']} events")
        pictures = night["calexp"]
        darkest = int(night["background"].argmin("time"))
        median = float(pictures[darkest].compute().median())
        _expect(abs(median) < 10, f"the sky of event {darkest} was to be 0, and is {median:g} e-")
        shape = " × ".join(f"{name} {size}" for name, size in pictures.sizes.items())
        self.console.print(
            f"   run {job.scan_id} ({short_id(run.uid)}): {night.sizes['time']} events in stream primary, "
            f"FWHM {float(night['fwhm'].min()):.2f} – {float(night['fwhm'].max()):.2f} px\n"
            f"   calexp: {shape}, {pictures.dtype}, not loaded; the one of the darkest sky came from S3: "
            f"median {median:.2f} e-",
            soft_wrap=True,
            highlight=False,
        )

    def pictures(self) -> list[Path]:
        """Give the preview pictures short names in the demo's folder, and return their paths."""
        folder = self.home / "pictures"
        folder.mkdir()
        for job in self.jobs:
            if job.task != "processCcd":
                continue
            with self.context.repositories.butler("demo", collections=[job.run]) as butler:
                for ref in butler.query_datasets("preview", explain=False):
                    name = "-".join(str(ref.dataId[key]) for key in ("instrument", "exposure", "detector"))
                    (folder / f"{name}.png").hardlink_to(butler.getURI(ref).ospath)
        paths = sorted(folder.iterdir())
        targets = sum(job.n_targets for job in self.jobs if job.task == "processCcd")
        _expect(len(paths) == targets, f"{len(paths)} pictures were made of {targets} targets")
        _expect(all(path.stat().st_size > 0 for path in paths), "a picture is empty")
        return paths

    def _submit(self, task: str, args: Sequence[str], label: str = "") -> None:
        settings, jobs = self.settings, self.context.jobs
        with prepare(task, ["demo", *args], repositories=self.context.repositories, user=settings.user) as prepared:
            row = submit(prepared, jobs=jobs, app=self.app, settings=settings)
        row = follow_job(
            self.context.jobs,
            row.id,
            label=f"   {label or task:<18}",
            console=self.console,
            meanwhile=self.inbox.drain,
            silence_s=SILENCE_S,
        )
        self.jobs.append(row)
        if row.phase != Phase.COMPLETED:
            failed = [t for t in self.context.jobs.read.targets(row.id) if t.error_text]
            raise DemoError(
                f"{label or task} ended as {status_of(row.phase)}: "
                + "; ".join(f"{t.argsrepr}: {t.error_text}" for t in failed[:3])
            )

    def _notices(self, generator: str) -> list[LargeFileObjectAvailable]:
        return [notice for notice in self.inbox.received() if notice.generator == generator]


class Inbox:
    """Receives notices in a thread of its own, as any consumer would: from the broker, not from the records."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._arrived: list[LargeFileObjectAvailable] = []
        self._shown = 0
        self._changed = threading.Condition()
        self._listening = threading.Event()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name="notices", daemon=True)

    def start(self) -> None:
        """Start to listen; what is announced after this call is received."""
        self._thread.start()
        _expect(self._listening.wait(NOTICE_PATIENCE_S), f"no notice queue: {self._error}")

    def stop(self) -> None:
        """Stop to listen."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(NOTICE_PATIENCE_S)

    def received(self) -> list[LargeFileObjectAvailable]:
        """Return what has arrived."""
        with self._changed:
            return list(self._arrived)

    def drain(self, console: Console) -> None:
        """Print the notices that arrived since the last call."""
        arrived = self.received()
        for notice in arrived[self._shown :]:
            console.print("   ", notice_line(notice), sep="")
        self._shown = len(arrived)

    def wait_for(self, ids: set[str]) -> None:
        """Wait until all of these notices have arrived."""
        with self._changed:
            complete, before = False, -1
            while not complete and len(self._arrived) != before:  # as long as others arrive
                before = len(self._arrived)
                complete = self._changed.wait_for(
                    lambda: ids <= {notice.id for notice in self._arrived} or self._error is not None, NOTICE_PATIENCE_S
                )
        missing = ids - {notice.id for notice in self.received()}
        _expect(complete and not missing, f"{len(missing)} notices did not arrive ({self._error or 'in time'})")

    def _listen(self) -> None:
        from underbutler.annex import watch

        try:
            with watch(self._settings, ["#"], stop=self._stop) as arriving:
                self._listening.set()
                for notice in arriving:
                    with self._changed:
                        self._arrived.append(notice)
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            with self._changed:
                self._error = error
                self._changed.notify_all()


def _real_frame() -> Path:
    from importlib.resources import files

    return Path(str(files("ccdproc").joinpath(REAL_FRAME)))


def _notes(report: IngestReport) -> str:
    return " ".join(f"{one.file}: {one.note}" for one in report.skipped + report.failed)


def _expect(holds: Any, otherwise: str) -> None:
    if not holds:
        raise DemoError(otherwise[:1].upper() + otherwise[1:] + ".")


def _say_next(console: Console, folder: Path, story: Story, seconds: float) -> None:
    job = short_id(story.jobs[-2].id)
    console.print(Text.assemble("\n", ("Everything held.", "green"), f" {seconds:.0f} s. Try next:"))
    here = Path(".venv/bin/underbutler")
    program = f"{here if here.exists() else 'underbutler'} --home {folder}"
    for words, what in (
        (f"status {job}", "what was recorded of the simulated night"),
        (f"runs plot {job} fwhm", "the same as a run of the catalogue, in a picture"),
        ("up", "the stack again; leave it running, and in another terminal:"),
        ("submit processCcd demo --id instrument=SIMCAM detector=0 -c detect.threshold=10 --wait", ""),
    ):
        comment = f"   # {what}" if what else ""
        console.print(Text.assemble(f"  {program} {words}", (comment, "dim")), soft_wrap=True)
