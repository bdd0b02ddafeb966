"""What Prometheus and Flower are told of real workers and a real beat, while targets end in every way that they can."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.test_secrets_stay_secret import DATATABLE, flower
from tests.acceptance.test_worker_life import Worker, worker
from tests.support.probes.package import install_probes
from tests.support.promql import asked, expressions
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import NIGHT_ID, Site
from tests.support.stack.warm_services import start_beat
from underbutler.annex import NoticeConsumer
from underbutler.broker import make_app
from underbutler.embedded.process import Guard, free_port
from underbutler.embedded.stack import environment_of
from underbutler.model.job import TargetState
from underbutler.records import JobRow, TargetRow

pytestmark = pytest.mark.xdist_group("monitoring")

OWN_LABELS = {"instance", "job"}
"""Prometheus puts these on every sample."""
OWN_METRICS = {"up"}
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

    def value(self, name: str, url: str | None = None, **labels: str) -> float:
        """Return one sample of the worker, or of another; 0 if it is not there."""
        return samples_of(page(url or self.worker_url)).get((name, frozenset(labels.items())), 0.0)

    def in_flower(self, name: str) -> dict[str, Any]:
        """Return what Flower says of the first sending of a target."""
        told: dict[str, Any] = json.loads(self.fetch("/api/tasks"))[f"{self.targets[name].id}.1"]
        return told


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
def watched(tmp_path_factory: pytest.TempPathFactory, _guard: Guard) -> Iterator[Watched]:
    """Run a worker whose children are renewed after every third target, a beat, and Flower."""
    logs = tmp_path_factory.mktemp("logs")
    ports = {"worker": free_port(), "beat": free_port()}
    counted = {name: {"UNDERBUTLER_METRICS_PORT": str(port)} for name, port in ports.items()}
    with run_site(
        tmp_path_factory,
        install_probes,
        with_worker=False,
        environment={"UNDERBUTLER_MAX_DEATHS": 1, "UNDERBUTLER_LEASE_S": 6, "UNDERBUTLER_SWEEP_INTERVAL_S": 1},
        n_bias=0,
        n_flat=0,
        n_science=2,
        shape=(64, 64),
    ) as site:
        NoticeConsumer(site.settings, "archive", ["#"], print).register()
        environment = environment_of(site.settings) | {"UNDERBUTLER_HOME": str(site.stack.home)}
        beat = start_beat(logs / "beat", environment | counted["beat"], _guard)
        try:
            with (
                flower(site, tmp_path_factory.mktemp("flower")) as fetch,
                worker(site, logs, "-c", "2", "--max-tasks-per-child", "3", **counted["worker"]) as made,
            ):
                urls = [f"http://127.0.0.1:{port}/metrics" for port in ports.values()]
                yield Watched(site, made, *urls, fetch)
        finally:
            beat.stop()


@pytest.fixture(scope="module")
def ended(watched: Watched) -> Watched:
    """Let targets end in every way."""
    site, jobs = watched.site, watched.site.context.jobs

    def one(name: str, state: TargetState, task: str, **config: object) -> None:
        job = site.ended(submitted(site, task, **config))
        watched.targets[name], *others = jobs.read.targets(job.id)
        assert {target.state for target in (watched.targets[name], *others)} == {state}, name

    one("done", TargetState.DONE, "probeWrite")
    one("failed", TargetState.FAILED, "probeFail", words="for Flower")
    one("no_work", TargetState.NO_WORK, "probeNoWork")
    one("held", TargetState.HELD, "probeDie")
    waits, lasts = submitted(site, "probeRaise", words="transient"), submitted(site, "probeLinger")
    watched.targets["retried"], watched.targets["cancelled"] = (jobs.read.targets(job.id)[0] for job in (waits, lasts))
    eventually(lambda: jobs.read.target(watched.targets["retried"].id).transient_retries, 30, "a target that waits")
    eventually(lambda: jobs.read.counts(lasts.id).get(TargetState.RUNNING, 0) == 2, 30, "targets that run")
    eventually(lambda: watched.value("underbutler_lease_renewals_total") >= 1, 30, "a renewal of their leases")
    for job in (waits, lasts):
        jobs.cancellation.cancel(job.id)
        site.ended(job)
    jobs.breakers.count_failure("other", "its disk is away", failures=1, open_s=600, cap_s=600)
    return watched


def submitted(site: Site, task: str, **config: object) -> JobRow:
    """Submit in this process, as the command does."""
    from underbutler.submission.preparing import prepare
    from underbutler.submission.submit import submit

    words = ["demo", *NIGHT_ID, *(word for name, value in config.items() for word in ("-c", f"{name}={value}"))]
    context = site.context
    with prepare(task, words, repositories=context.repositories, user="tester") as prepared:
        return submit(prepared, jobs=context.jobs, app=make_app(site.settings), settings=site.settings)


def test_a_worker_counts_its_children_living_and_gone(ended: Watched) -> None:
    value, queue = ended.value, ended.site.settings.queue
    eventually(lambda: value("underbutler_claims_total", task="probeLinger", end="aborted") == 2, 20, "the cut")
    for task, end in (("probeWrite", "done"), ("probeFail", "failed"), ("probeNoWork", "no_work")):
        assert value("underbutler_claims_total", task=task, end=end) == 2, task
        assert value("underbutler_run_seconds_count", task=task, end=end) == 2, task
        assert value("underbutler_queue_wait_seconds_count", task=task, queue=queue) == 2, task
    assert value("underbutler_claims_total", task="probeRaise", end="transient") >= 1
    assert value("underbutler_claims_total", task="probeDie", end="died") == 2
    assert value("underbutler_child_deaths_total", how="died") == 2
    assert value("underbutler_annex_deliveries_total", dataset_type="probePicture") == 2
    assert value("underbutler_annex_delivered_bytes_total", dataset_type="probePicture") == 2 * len("?PNG....hello")
    assert value("underbutler_annex_delivery_seconds_count", dataset_type="probePicture") == 2
    assert value("underbutler_notices_total", outcome="published") == 2
    assert value("underbutler_butler_open_seconds_count", repo="demo") >= 8
    assert value("underbutler_cache_reads_total", cache="jobs", outcome="hit") >= 1
    assert value("underbutler_lease_renewals_total") >= 1
    assert value("underbutler_worker_fit") == 1
    assert value("underbutler_scratch_free_bytes") > 0


def test_files_of_the_living_and_one_of_the_dead_remain(ended: Watched) -> None:
    opened = psutil.Process(ended.worker.keeper).memory_maps()
    (folder,) = {Path(one.path).parent for one in opened if "underbutler-metrics-" in one.path}

    def left() -> set[str]:
        return {path.stem.rpartition("_")[2] for path in folder.glob("*.db")}

    eventually(lambda: left() <= {str(one.pid) for one in ended.worker.processes()} | {"dead"}, 40, "a tidy folder")
    assert "dead" in left()
    assert ended.value("underbutler_claims_total", task="probeWrite", end="done") == 2


def test_beat_says_what_the_records_say_and_counts_its_sweeps(ended: Watched) -> None:
    url = ended.beat_url
    eventually(lambda: ended.value("underbutler_breaker_open", url, repo="other") == 1, 20, "what is now")
    assert ended.value("underbutler_targets", url, state="held") == 2
    assert ended.value("underbutler_held_targets", url, task="probeDie") == 2
    assert ended.value("underbutler_workers_seen", url) == 1
    assert ended.value("underbutler_workers", url, queue=ended.site.settings.queue, fitness="fit") == 1
    assert ended.value("underbutler_sweep_seconds_count", url) >= 1
    assert ended.value("underbutler_sweep_age_seconds", url) < 60
    assert ended.value("underbutler_records_up", url) == 1
    printed = ended.site.run("metrics")
    assert printed.code == 0, printed.err
    assert {name for name, _ in samples_of(printed.out)} <= {name for name, _ in samples_of(page(url))}
    assert samples_of(printed.out)["underbutler_targets", frozenset({("state", "held")})] == 2


def test_each_metric_and_label_of_rules_and_dashboard_is_served(ended: Watched) -> None:
    served: dict[str, set[str]] = {}
    values: dict[tuple[str, str], set[str]] = {}
    texts = [page(ended.worker_url), page(ended.beat_url), ended.fetch("/metrics").decode()]
    for name, labels in {key for text in texts for key in samples_of(text)}:
        served.setdefault(name, set()).update(dict(labels))
        for label, value in labels:
            values.setdefault((name, label), set()).add(value)
    for where, expression in expressions().items():
        question = asked(expression.replace("$__rate_interval", "5m"))
        assert question.selectors, where
        known = set(OWN_LABELS)
        for name, matchers in question.selectors:
            assert name in served.keys() | OWN_METRICS, f"{where} asks for {name}, which nobody serves"
            known |= served.get(name, set())
            for label, operator, value in matchers:
                assert label in served.get(name, set()) | OWN_LABELS, f"{where}: {name} has no label {label}"
                if operator == "=" and label not in OWN_LABELS:
                    assert value in values[name, label], f"{where}: {label} of {name} is never {value!r}"
        assert question.groupings <= known, f"{where} groups by {question.groupings - known}"


def test_flower_shows_each_end_with_its_name_data_id_and_reason(ended: Watched) -> None:
    told = {name: eventually(lambda one=name: _settled(ended, one), 20, f"{name} in Flower") for name in ended.targets}  # type: ignore[misc]
    assert {name: one["state"] for name, one in told.items()} == {
        "done": "SUCCESS",
        "failed": "FAILURE",
        "no_work": "SUCCESS",
        "held": "FAILURE",
        "retried": "RETRY",
        "cancelled": "REVOKED",
    }
    (host,) = {one["worker"] for one in told.values()}
    assert host in json.loads(ended.fetch("/api/workers?refresh=1"))
    for name, one in told.items():
        assert one["name"] == ended.targets[name].task
        assert one["args"] == ended.targets[name].argsrepr
        assert one["runtime"] > 0, name
    assert told["no_work"]["result"] == "'no_work'"
    assert told["failed"]["exception"] == "ArithmeticError('the probe fails: for Flower')"
    assert "SIGKILL" in told["held"]["exception"]
    assert "it is held" in told["held"]["exception"]
    assert told["retried"]["exception"] == "TransientError: a service is away"


def _settled(watched: Watched, name: str) -> dict[str, Any] | None:
    told = watched.in_flower(name)
    return told if told["state"] in {"SUCCESS", "FAILURE", "RETRY", "REVOKED"} else None


def test_no_page_has_a_secret_and_no_label_grows_without_bound(ended: Watched) -> None:
    secret = ended.site.settings.s3_secret_access_key
    assert secret is not None
    tasks = json.loads(ended.fetch("/api/tasks"))
    paths = ["/workers", "/tasks", "/metrics", "/api/tasks", "/api/workers?refresh=1", DATATABLE]
    paths += [f"/task/{one}" for one in tasks]
    texts = {path: ended.fetch(path).decode() for path in paths}
    metrics = {"worker": page(ended.worker_url), "beat": page(ended.beat_url), "Flower": texts["/metrics"]}
    for path, text in (texts | metrics).items():
        assert secret.get_secret_value() not in text, path
    (host,) = json.loads(texts["/api/workers?refresh=1"])
    for who, text in metrics.items():
        labels = {pair for _, several in samples_of(text) for pair in several}
        of_flower = {value for label, value in labels if label == "worker"}
        assert of_flower <= {host, "submitter@underbutler", "sweeper@underbutler"}, who
        for _, value in labels:
            assert not re.search(r"[0-9a-f]{8}-|exposure|SIMCAM|tester|SIGKILL|the probe fails", value), (
                f"{who}: {value}"
            )
