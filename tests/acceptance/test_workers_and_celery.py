"""What Celery, its events and a worker's log show of a target; and what a worker learns while it runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.support.celery_events import events_of
from tests.support.services import eventually
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.model.job import Phase, TargetState

pytestmark = pytest.mark.xdist_group("site")


def kinds(seen: list[dict[str, Any]], target: object) -> set[str]:
    """Return the kinds of events that came for a target."""
    return {event["type"] for event in seen if str(event.get("uuid", "")).startswith(str(target))}


def test_flower_sees_the_science_task_its_data_id_and_a_failure(site: Site) -> None:
    with events_of(site) as seen:
        good = site.completed(site.submit("probeWrite", "demo", *NIGHT_ID))
        bad = site.ended(site.submit("probeFail", "demo", *NIGHT_ID, "-c", "words=for Flower"))
        (well, *_), (ill, *_) = site.context.jobs.read.targets(good.id), site.context.jobs.read.targets(bad.id)
        eventually(lambda: "task-succeeded" in kinds(seen, well.id), 20, "the event of a success")
        eventually(lambda: "task-failed" in kinds(seen, ill.id), 20, "the event of a failure")
    assert "task-succeeded" not in kinds(seen, ill.id)
    received = next(event for event in seen if event["type"] == "task-received" and event["uuid"] == f"{well.id}.1")
    assert received["name"] == "probeWrite"
    assert "detector=0" in received["args"]
    assert "instrument='SIMCAM'" in received["args"]
    assert len(received["args"]) < 100, "people read it"
    failed = next(event for event in seen if event["type"] == "task-failed" and event["uuid"] == f"{ill.id}.1")
    assert "ArithmeticError" in failed["exception"]
    assert "for Flower" in failed["exception"]


@pytest.mark.parametrize("kind", ["memory", "reject", "ignore"])
def test_an_error_that_celery_knows_fails_its_target_only(site: Site, kind: str) -> None:
    with events_of(site) as seen:
        row = site.ended(site.submit("probeRaise", "demo", *NIGHT_ID, "-c", f"words={kind}"))
        targets = site.context.jobs.read.targets(row.id)
        for target in targets:
            eventually(lambda one=target: "task-failed" in kinds(seen, one.id), 20, "the event of the failure")  # type: ignore[misc]
    assert {target.state for target in targets} == {TargetState.FAILED}
    assert {target.claim_no for target in targets} == {1}
    site.completed(site.submit("probeEmpty", "demo", *NIGHT_ID))


def test_flower_sees_that_a_target_waits_for_a_service(site: Site) -> None:
    with events_of(site) as seen:
        row = site.submit("probeRaise", "demo", *NIGHT_ID, "-c", "words=transient")
        (target, *_) = site.context.jobs.read.targets(row.id)
        eventually(lambda: "task-retried" in kinds(seen, target.id), 60, "the event of a target that waits")
        assert site.run("cancel", str(row.id)).code == 0
    assert site.ended(row).phase == Phase.ABORTED
    assert "task-failed" not in kinds(seen, target.id)


def test_a_worker_starts_and_names_the_task_that_does_not_load(site: Site) -> None:
    log = (site.stack.home / "stack" / "worker" / "worker.log").read_text()
    assert "task_does_not_load" in log
    assert "probeBroken" in log
    assert "probe_tasks_that_do_not_exist" in log


def test_new_detectors_and_filters_are_seen_by_running_workers(site: Site, tmp_path: Path) -> None:
    """Instruments, detectors and filters added later stay invisible to a factory's butlers: it is rebuilt, once."""
    site.completed(site.submit("probePixels", "demo", *NIGHT_ID))
    frame = tmp_path / "new.fits"
    header = fits.Header({"INSTRUME": "SIMCAM", "DETECTOR": 7, "EXPID": 990001, "FILTER": "narrow"})
    header.update({"DATE-OBS": "2026-11-20T23:00:00", "EXPTIME": 1.0, "IMAGETYP": "OBJECT", "OBJECT": "field"})
    header.update({"GAIN": 1.0, "RDNOISE": 5.0, "SATURATE": 60000})
    header.update({"BIASSEC": "[41:44,1:30]", "TRIMSEC": "[1:40,1:30]"})
    fits.writeto(frame, np.full((30, 44), 1500, np.uint16), header)
    done = site.run("ingest", "demo", frame)
    assert done.code == 0, done.err
    assert "1 ingested" in done.out
    row = site.completed(site.submit("probePixels", "demo", "--id", "instrument=SIMCAM", "detector=7"))
    (target,) = site.context.jobs.read.targets(row.id)
    assert target.scalars is not None
    assert target.scalars["median"] == 1500 * 2.5
    again = site.run("ingest", "demo", frame)
    assert "0 ingested, 1 skipped, 0 failed" in again.out
    assert again.code == 0


def test_watch_shows_notices_as_they_arrive(site: Site) -> None:
    found: list[Any] = []
    watching = threading.Thread(
        target=lambda: found.append(site.run_cold("watch", "*.probeWrite.*", "-n", 2, "--format", "json", timeout=100))
    )
    watching.start()
    queues = "_kombu.binding.largeFileObjectAvailable"
    eventually(lambda: _bindings(site, queues) > 0, 40, "the queue of the watcher")
    row = site.completed(site.submit("probeWrite", "demo", *NIGHT_ID))
    watching.join(100)
    (done,) = found
    assert done.code == 0, done.err
    lines = done.out.strip().splitlines()
    assert len(lines) == 2
    assert all(str(row.id) in line for line in lines)
    eventually(lambda: _bindings(site, queues) == 0, 20, "the watcher's queue to be gone")


def _bindings(site: Site, key: str) -> int:
    import redis

    with redis.Redis.from_url(site.settings.broker_url) as client:
        return int(client.scard(f"{site.settings.broker_prefix}{key}"))


def test_a_job_of_nothing_is_complete_if_that_is_allowed(site: Site) -> None:
    done = site.run(
        "submit",
        "probeEmpty",
        "demo",
        "--id",
        "instrument=SIMCAM",
        "exposure=77",
        "--allow-empty",
        "--wait",
        "--format",
        "json",
    )
    assert done.code == 0, done.err
    assert done.json["targets"] == 0
    assert done.json["phase"] == Phase.COMPLETED
