"""What Prometheus and Flower are told of real workers and a real beat, while targets end in every way that they can."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from services import eventually
from site_stack import NIGHT_ID, Site, install_probes
from test_secrets_stay_secret import flower
from test_worker_life import Worker, worker

from underbutler.context import WorkerContext
from underbutler.embedded.process import free_port
from underbutler.embedded.servers import start_beat
from underbutler.embedded.stack import Stack, environment_of, make_buckets
from underbutler.model.job import TargetState
from underbutler.records import TargetRow

pytestmark = pytest.mark.xdist_group("monitoring")

TOKEN = "token-that-nobody-may-read"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass
class Watched:
    """A site whose worker, beat and Flower are watched, and one target of each end."""

    site: Site
    worker: Worker
    worker_url: str
    beat_url: str
    fetch: Any
    """Returns one of Flower's pages."""
    targets: dict[str, TargetRow] = field(default_factory=dict)

    def samples(self, url: str) -> Samples:
        """Return what a process serves now."""
        return samples_of(page(url))

    def value(self, name: str, url: str | None = None, **labels: str) -> float:
        """Return one sample of the worker, or of another; 0 if it is not there."""
        return self.samples(url or self.worker_url).get((name, frozenset(labels.items())), 0.0)


def page(url: str) -> str:
    """Fetch a page as text."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return str(answer.read().decode())


def samples_of(text: str) -> Samples:
    """Return the samples of an exposition."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Run a worker whose children are renewed after every third target, a beat, and Flower."""
    from underbutler.butlers import create_repository, ingest_files
    from underbutler.testing.night import simulate_night

    home, packages = tmp_path_factory.mktemp("watched"), tmp_path_factory.mktemp("packages")
    install_probes(packages)
    ports = {"worker": free_port(), "beat": free_port()}
    settings = {
        "UNDERBUTLER_METRICS_PORT": ports["worker"],
        "UNDERBUTLER_MAX_DEATHS": 1,
        "UNDERBUTLER_LEASE_S": 6,
        "UNDERBUTLER_SWEEP_INTERVAL_S": 1,
    }
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(packages))
    try:
        with Stack(home, with_worker=False) as stack, WorkerContext(stack.settings) as context:
            create_repository(home / "repo", "demo", stack.settings)
            make_buckets(stack.settings)
            night = simulate_night(home / "night", n_bias=0, n_flat=0, n_science=2, shape=(64, 64), seed=3)
            ingest_files(context.repositories, "demo", night.files)
            site = Site(stack, context)
            folder = tmp_path_factory.mktemp("logs")
            with (
                worker(site, folder, "-c", "2", "--max-tasks-per-child", "3", **settings) as made,
                flower(site, tmp_path_factory.mktemp("flower")) as fetch,
            ):
                environment = environment_of(stack.settings) | {"UNDERBUTLER_HOME": str(home)}
                beat = start_beat(
                    folder / "beat",
                    environment
                    | {name: str(value) for name, value in settings.items()}
                    | {"UNDERBUTLER_METRICS_PORT": str(ports["beat"])},
                )
                try:
                    yield Watched(
                        site,
                        made,
                        f"http://127.0.0.1:{ports['worker']}/metrics",
                        f"http://127.0.0.1:{ports['beat']}/metrics",
                        fetch,
                    )
                finally:
                    beat.stop()
    finally:
        patch.undo()


@pytest.fixture(scope="module")
def ended(watched: Watched) -> Watched:
    """Let targets end in every way."""
    site = watched.site

    def one(name: str, state: TargetState, task: str, *words: object) -> None:
        job = site.ended(site.submit(task, "demo", *NIGHT_ID, *words))
        targets = site.context.jobs.targets(job.id)
        assert {target.state for target in targets} == {state}, name
        watched.targets[name] = targets[0]

    one("done", TargetState.DONE, "probeWrite")
    one("failed", TargetState.FAILED, "probeFail", "-c", "words=for Flower")
    one("no_work", TargetState.NO_WORK, "probeNoWork")
    one("held", TargetState.HELD, "probeDie")
    waits = site.submit("probeRaise", "demo", *NIGHT_ID, "-c", "words=transient")
    watched.targets["retried"] = site.context.jobs.targets(waits.id)[0]
    eventually(
        lambda: site.context.jobs.target(watched.targets["retried"].id).transient_retries, 30, "a target that waits"
    )
    lasts = site.submit("probeLinger", "demo", *NIGHT_ID)
    eventually(lambda: site.context.jobs.counts(lasts.id).get(TargetState.RUNNING, 0) == 2, 30, "targets that run")
    watched.targets["cancelled"] = site.context.jobs.targets(lasts.id)[0]
    for job in (waits, lasts):
        assert site.run("cancel", str(job.id)).code == 0
        site.ended(job)
    return watched


def test_a_worker_counts_what_its_children_did_also_those_that_are_gone(ended: Watched) -> None:
    value = ended.value
    assert eventually(lambda: value("underbutler_claims_total", task="probeLinger", end="aborted") == 2, 20, "the cut")
    for task, end in (("probeWrite", "done"), ("probeFail", "failed"), ("probeNoWork", "no_work")):
        assert value("underbutler_claims_total", task=task, end=end) == 2, task
        assert value("underbutler_run_seconds_count", task=task, end=end) == 2, task
        assert value("underbutler_queue_wait_seconds_count", task=task, queue=ended.site.settings.queue) == 2, task
    assert value("underbutler_claims_total", task="probeRaise", end="transient") >= 1
    assert value("underbutler_claims_total", task="probeDie", end="died") == 2
    assert value("underbutler_child_deaths_total", how="died") == 2
    assert value("underbutler_annex_deliveries_total", dataset_type="probePicture") == 2
    assert value("underbutler_annex_delivered_bytes_total", dataset_type="probePicture") == 2 * len("\x89PNG....hello")
    assert value("underbutler_notices_total", outcome="published") == 2
    assert value("underbutler_butler_open_seconds_count", repo="demo") >= 8
    assert value("underbutler_cache_reads_total", cache="jobs", outcome="hit") >= 1
    assert value("underbutler_lease_renewals_total") >= 1
    assert value("underbutler_worker_fit") == 1
    assert value("underbutler_scratch_free_bytes") > 0


def test_nothing_but_the_files_of_the_living_and_one_of_the_dead_is_left(ended: Watched) -> None:
    main = psutil.Process(ended.worker.main.pid)
    place = Path(main.environ().get("PROMETHEUS_MULTIPROC_DIR", "")) if False else folder_of(ended)
    family = {str(one.pid) for one in ended.worker.processes()}
    eventually(
        lambda: {path.stem.rpartition("_")[2] for path in place.glob("*.db")} <= family | {"dead"}, 40, "a tidy folder"
    )
    assert (place / "counter_dead.db").exists()


def folder_of(watched: Watched) -> Path:
    """Return where a worker's processes count."""
    files = psutil.Process(watched.worker.keeper).memory_maps()
    (found,) = {Path(one.path).parent for one in files if "underbutler-metrics-" in one.path}
    return found


def test_beat_says_what_the_records_say_and_counts_its_sweeps(ended: Watched) -> None:
    url = ended.beat_url
    assert eventually(lambda: ended.value("underbutler_targets", url, state="held") == 2, 20, "what is held")
    assert ended.value("underbutler_held_targets", url, task="probeDie") == 2
    assert ended.value("underbutler_workers_seen", url) == 1
    assert ended.value("underbutler_workers", url, queue=ended.site.settings.queue, fitness="fit") == 1
    assert ended.value("underbutler_sweep_seconds_count", url) >= 1
    assert ended.value("underbutler_sweep_age_seconds", url) < 60
    assert ended.value("underbutler_records_up", url) == 1
    printed = ended.site.run("metrics")
    assert printed.code == 0, printed.err
    assert {name for name, _ in samples_of(printed.out)} <= {name for name, _ in ended.samples(url)}


def test_dump(ended: Watched, tmp_path: Path) -> None:
    Path("/tmp/dev/om-worker.txt").write_text(page(ended.worker_url))
    Path("/tmp/dev/om-beat.txt").write_text(page(ended.beat_url))
    Path("/tmp/dev/om-flower.txt").write_bytes(ended.fetch("/metrics"))
    Path("/tmp/dev/om-tasks.json").write_bytes(ended.fetch("/api/tasks"))
    Path("/tmp/dev/om-workers.json").write_bytes(ended.fetch("/api/workers?refresh=1"))
