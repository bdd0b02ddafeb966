"""What targets say and where it is found: the worker's stderr, their claims, `underbutler logs`, one trace."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.test_worker_life import Worker, worker
from tests.support.command_line import CommandLine, Said
from tests.support.probes.package import install_probes
from tests.support.services import eventually
from tests.support.stack.building import run_site
from tests.support.stack.site import Site
from underbutler.broker import make_app
from underbutler.model.job import Phase
from underbutler.records import JobRow, TargetRow
from underbutler.submission.sending import send

pytestmark = pytest.mark.xdist_group("logs_and_traces")

FIRST = 2026112000001
WAYS = {
    "by the task itself": "underbutler.task.probeTalk",
    "by the Butler": "lsst.daf.butler.something",
    "by astropy's logger": "astropy",
    "by a warning": "py.warnings",
    "by a warning of astropy's": "py.warnings",
    "by another thread": "botocore.retries",
    "by print": "stdout",
    "progress 3": "stderr",
}


Logs = Callable[..., Said]


@dataclass
class Collector:
    """An OTLP collector over HTTP: keeps every span that it is sent."""

    url: str = ""
    spans: dict[str, Any] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Take one export."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans.update({span.span_id.hex(): span for span in scope.spans})

    def of(self, job: JobRow) -> list[Any]:
        """Return the spans of a job's trace."""
        return [span for span in self.spans.values() if span.trace_id.hex() == job.id.hex]

    def parent(self, span: Any) -> str | None:
        """Return the name of a span's parent; None if it has none, ``?`` if it did not come."""
        found = self.spans.get(span.parent_span_id.hex())
        return None if not span.parent_span_id else "?" if found is None else str(found.name)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            made.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run broker and S3, with one frame."""
    night = {"n_bias": 0, "n_flat": 0, "n_science": 2, "shape": (64, 64), "detectors": (0,)}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
        with run_site(tmp_path_factory, install_probes, with_worker=False, **night) as made:
            yield made


@pytest.fixture(scope="module")
def traced(place: Site, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Run a worker that logs JSON and sends traces soon."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": 100}
    more = {"UNDERBUTLER_LOG_FORMAT": "json", "UNDERBUTLER_LOG_LEVELS": "lsst.verbose.things=DEBUG"}
    with worker(place, tmp_path_factory.mktemp("worker"), "-c", "1", **variables, **more) as made:
        yield made


def submit(place: Site, task: str, *words: object, frames: int = 1, collector: Collector | None = None) -> JobRow:
    """Submit: with traces by the command line, as a person does."""
    ids = ("--id", "instrument=SIMCAM", "detector=0", f"exposure={FIRST}..{FIRST + frames - 1}", "--no-versions")
    if collector is not None:
        done = place.run("submit", task, "demo", *ids, *words, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
        assert done.code == 0, done.err
        return place.context.jobs.read.job(done.out.strip())
    from underbutler.submission.preparing import prepare
    from underbutler.submission.submit import submit

    args = ["demo", *ids, *map(str, words)]
    with prepare(task, args, repositories=place.context.repositories, user="talker") as prepared:
        app = make_app(place.settings)
        return submit(prepared, jobs=place.context.jobs, app=app, settings=place.settings)


def talked(place: Site, job: JobRow) -> TargetRow:
    """Let a job of one target end, sending again what was killed."""
    app = make_app(place.settings)

    def look() -> bool:
        send(place.context.jobs, app, job=job.id)
        return Phase(place.context.jobs.read.job(job.id).phase).ended

    eventually(look, 60, "the end of the job")
    (target,) = place.context.jobs.read.targets(job.id)
    return target


def lines_of(said: str, target: TargetRow) -> list[dict[str, Any]]:
    """Return the JSON lines of a worker that are about a target, by any word in them."""
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return [line for line in lines if str(target.id) in json.dumps(line)]


@pytest.fixture
def logs(place: Site, capsys: pytest.CaptureFixture[str]) -> Logs:
    """Return what calls ``underbutler logs``."""
    run = CommandLine(capsys)

    def call(*words: object, code: int = 0) -> Said:
        done = run("--home", place.stack.home, "logs", *words)
        assert done.code == code, done.err
        return done

    return call


@pytest.fixture(scope="module")
def killed(place: Site, traced: Worker, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> TargetRow:
    """Run a target whose process is killed the first time."""
    marker = tmp_path_factory.mktemp("markers") / "killed"
    return talked(place, submit(place, "probeTalk", "-c", f"words={marker}:SIGKILL", collector=collector))


def test_every_line_about_a_target_carries_its_names(place: Site, traced: Worker, killed: TargetRow) -> None:
    lines = eventually(
        lambda: [one for one in [lines_of(traced.said, killed)] if "succeeded" in str(one)], 10, "Celery's last line"
    )[0]
    names = {"job": str(killed.job_id), "target": str(killed.id), "task": "probeTalk", "data_id": killed.argsrepr}
    names["trace_id"] = killed.job_id.hex
    for line in lines:
        assert {key: line.get(key) for key in names} == names, line
    said: dict[int, list[str]] = {1: [], 2: []}
    for line in lines:
        if "attempt" in line:
            said[line["attempt"]].append(f"{line['logger']}: {line['event']}")
    for attempt in (1, 2):
        for words, logger in WAYS.items():
            found = [line for line in said[attempt] if words in line and words + " of" not in line]
            assert len(found) == 1, (attempt, words, said[attempt])
            assert found[0].startswith(logger), found
    loggers = {line["logger"] for line in lines}
    assert {"celery.worker.strategy", "celery.app.trace", "workers.keeper", "workers.intake.request"} <= loggers
    assert not [line for line in said[1] if "progress 1" in line], "a progress bar is one line"
    assert "below Python" in traced.said


def test_a_killed_claim_leaves_what_it_had_said(place: Site, killed: TargetRow) -> None:
    first, second = place.context.jobs.read.claims(killed.id)
    assert (first.end, second.end) == ("died", "done")
    for claim in (first, second):
        assert claim.log is not None
        assert all(words in claim.log for words in WAYS), claim.log
        assert str(killed.id) not in claim.log, "names that are the same on every line are not kept on each"
    assert "target_started" in (first.log or "")
    assert "target_ended" not in (first.log or "")


def test_a_crash_leaves_its_python_stack(
    place: Site, traced: Worker, collector: Collector, logs: Logs, tmp_path: Path
) -> None:
    target = talked(place, submit(place, "probeTalk", "-c", f"words={tmp_path / 'crashed'}:SIGSEGV"))
    crashed = place.context.jobs.read.claims(target.id)[0]
    assert crashed.end == "died"
    assert "by a warning\n" in (crashed.log or ""), "its process has shown that warning to a target before"
    assert "Fatal Python error: Segmentation fault" in (crashed.log or "")
    assert "in runDataRef" in (crashed.log or "")
    shown = logs(target.job_id, "--attempt", "1", "--level", "error").out
    assert "Fatal Python error" in shown
    assert "by print" not in shown
    job = place.context.jobs.read.job(target.job_id)
    assert job.traceparent is None
    attempts = eventually(
        lambda: [s for s in collector.of(job) if s.name == "attempt probeTalk" and not s.status.code] or None,
        10, "the worker's spans of a submission without any",
    )  # fmt: skip
    assert [collector.parent(span) for span in attempts] == [None]


def test_one_trace_leads_from_the_submission_to_s3(place: Site, collector: Collector, killed: TargetRow) -> None:
    job = place.context.jobs.read.job(killed.job_id)
    eventually(lambda: {"notify", "submit probeTalk"} <= {s.name for s in collector.of(job)}, 10, "the last spans")
    spans = collector.of(job)
    tree = sorted({(collector.parent(span), span.name) for span in spans}, key=str)
    attempt, top = "attempt probeTalk", "submit probeTalk"
    expected = {
        (None, top), (top, "precall"), (top, "record"), (top, "send"), (top, "queue"), (top, attempt),
        (attempt, "claim"), (attempt, "open butler"), (attempt, "reduce"), (attempt, "deliver probePicture"),
        (attempt, "complete"), (attempt, "notify"), ("reduce", "put probeTable"), ("reduce", "put probePicture"),
        ("reduce", "put probeTalk_metadata"),
    }  # fmt: skip
    assert expected == set(tree), tree
    first, second = sorted((s for s in spans if s.name == attempt), key=lambda s: s.start_time_unix_nano)
    facts = [{one.key: one.value for one in span.attributes} for span in (first, second)]
    assert [fact["underbutler.attempt"].int_value for fact in facts] == [1, 2]
    assert facts[0]["underbutler.end"].string_value == "died"
    assert "SIGKILL" in first.status.message
    assert first.status.code == 2
    assert [link.span_id for link in second.links] == [first.span_id]
    names = {"repo": "demo", "job": str(job.id), "target": str(killed.id), "task": "probeTalk"}
    assert {key: facts[1][f"underbutler.{key}"].string_value for key in names} == names
    waits = [span for span in spans if span.name == "queue"]
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in waits)
    password = place.settings.s3_secret_access_key
    assert password is not None
    assert all(password.get_secret_value().encode() not in body for body in collector.bodies)


def test_logs_show_why_within_one_command(place: Site, traced: Worker, killed: TargetRow, logs: Logs) -> None:
    job = submit(place, "probeFail", frames=2)
    place.ended(job)
    out = logs(str(job.id)[-8:]).out
    assert out.count("of the framework folded; --full shows them") == 1, "one of each kind of failure"
    assert "task_runner.py" not in out
    assert "task_runner.py" in logs(str(job.id)[-8:], "--full").out
    assert "and 1 more alike" in out
    assert "ArithmeticError" in out
    assert "\x1b[" not in out, "plain where it is piped"
    *_, second = place.context.jobs.read.targets(job.id)
    for name in ("2", str(second.id)[-8:], f"exposure={second.data_id['exposure']}"):
        out = logs(job.id, name).out
        assert out.startswith("target 2 of 2"), (name, out)
        assert "alike" not in out
    quiet = logs(job.id, "2", "--level", "error").out
    assert "ArithmeticError" in quiet
    assert "target_started" not in quiet
    out = logs(killed.job_id).out
    assert "attempt 1" in out
    assert "died: its process" in out, "the attempts before are told in a line"
    assert out.count("by print") == 1
    (document,) = [json.loads(line) for line in logs(killed.job_id, "--attempt", "1", "--json").out.splitlines()]
    assert (document["attempt"], document["end"], document["place"]) == (1, "died", 1)
    assert {"level": "warning", "logger": "stderr", "text": "progress 3"}.items() <= next(
        line for line in document["lines"] if line["logger"] == "stderr"
    ).items()
    for words, cure in ((("9",), "underbutler status"), (("1", "--attempt", "7"), "there are: 1, 2"),
                        (("exposure=1",), "underbutler status")):  # fmt: skip
        done = logs(killed.job_id, *words, code=2)
        assert cure in done.err


def test_follow_shows_what_runs_here_and_ends_with_it(place: Site, traced: Worker, logs: Logs) -> None:
    job = submit(place, "probeWrite", "-c", "seconds=2")
    out = logs(job.id, "--follow").out
    assert out.index("target_started") < out.rindex("attempt 1  done")
    assert out.count("target_started") == 1
