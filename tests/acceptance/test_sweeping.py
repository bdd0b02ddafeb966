"""The sweep as people meet it: beat of the running stack, and ``underbutler sweep``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from services import eventually
from site_stack import Site

from underbutler.embedded.stack import environment_of
from underbutler.model.job import Phase, TargetState
from underbutler.records import JobRow
from underbutler.sweeper import PARTS

pytestmark = pytest.mark.xdist_group("site")

ALL_FRAMES = ("--id", "instrument=SIMCAM", "detector=0")


def datasets_of(site: Site, row: JobRow, dataset_type: str) -> int:
    """Return how many datasets of a type are in a job's RUN collection."""
    with site.context.repositories.butler("demo") as butler:
        return len(butler.query_datasets(dataset_type, collections=[row.run], find_first=False, explain=False))


def test_celery_purge_in_the_middle_is_undone(site: Site) -> None:
    """The records know what was sent: the messages that somebody removed from the queue are sent again."""
    row = site.submit("probeWrite", "demo", *ALL_FRAMES, "-c", "seconds=5")
    eventually(lambda: site.context.jobs.counts(row.id).get(TargetState.RUNNING), 60, "the first target to run")
    purged = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.celery", "purge", "-f"],
        env={"PATH": "/usr/bin:/bin", "UNDERBUTLER_HOME": str(site.stack.home)} | environment_of(site.settings),
        cwd=site.stack.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Purged" in purged.stdout, purged.stdout + purged.stderr
    done = site.completed(row, timeout=120)
    assert done.n_targets >= 6
    targets = site.context.jobs.targets(row.id)
    assert {target.state for target in targets} == {TargetState.DONE}
    assert any(target.send_no > 1 for target in targets), "some were sent again"
    assert [target.claim_no for target in targets] == [1] * len(targets), "none was run twice"
    assert datasets_of(site, row, "probeTable") == len(targets)
    assert len(site.context.jobs.notices(row.id)) == len(targets)


def test_a_job_that_is_cancelled_in_the_middle_leaves_nothing_in_the_butler(site: Site) -> None:
    row = site.submit("probeLinger", "demo", *ALL_FRAMES)
    eventually(lambda: datasets_of(site, row, "probeTable"), 60, "half of a result")
    assert site.run("cancel", row.id).code == 0
    assert site.ended(row).phase == Phase.ABORTED
    eventually(lambda: datasets_of(site, row, "probeTable") == 0, 60, "the sweep of what was cut")
    assert site.context.jobs.products(row.id) == []


def test_sweep_by_hand_says_one_line_per_part(site: Site) -> None:
    done = site.run("sweep")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()] == list(PARTS)
    told = site.run("sweep", "--format", "json")
    assert told.code == 0, told.err
    assert [part["part"] for part in told.json["parts"]] == list(PARTS)
    assert all(part["errors"] == [] for part in told.json["parts"])


def test_a_service_that_is_away_is_told_and_brings_its_exit_code(site: Site) -> None:
    done = site.run("sweep", "--format", "json", env={"UNDERBUTLER_BROKER_URL": "redis://127.0.0.1:1/0"})
    assert done.code == 3, done.err
    told = {part["part"]: part["errors"] for part in json.loads(done.out)["parts"]}
    assert {part for part, errors in told.items() if errors} == {"lost", "messages", "notices"}
    assert told["messages"][0]["type"] == "BrokerUnavailableError"
