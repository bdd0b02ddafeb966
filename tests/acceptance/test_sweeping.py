"""The sweep as people meet it: beat of the running stack, and ``underbutler sweep``."""

from __future__ import annotations

import json

import pytest

from tests.support.services import eventually
from tests.support.stack.site import Site
from underbutler.model.job import Phase
from underbutler.records import JobRow
from underbutler.sweeper import PARTS

pytestmark = pytest.mark.xdist_group("site")

ALL_FRAMES = ("--id", "instrument=SIMCAM", "detector=0")


def datasets_of(site: Site, row: JobRow, dataset_type: str) -> int:
    """Return how many datasets of a type are in a job's RUN collection."""
    with site.context.repositories.butler("demo") as butler:
        return len(butler.query_datasets(dataset_type, collections=[row.run], find_first=False, explain=False))


def test_a_job_cancelled_halfway_leaves_nothing_in_the_butler(site: Site) -> None:
    row = site.submit("probeLinger", "demo", *ALL_FRAMES)
    eventually(lambda: datasets_of(site, row, "probeTable"), 60, "half of a result")
    assert site.run("cancel", row.id).code == 0
    assert site.ended(row).phase == Phase.ABORTED
    eventually(lambda: datasets_of(site, row, "probeTable") == 0, 60, "the sweep of what was cut")
    assert site.context.jobs.read.products(row.id) == []


def test_sweep_by_hand_says_one_line_per_part(site: Site) -> None:
    done = site.run("sweep")
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()] == list(PARTS)
    told = site.run("sweep", "--format", "json")
    assert told.code == 0, told.err
    assert [part["part"] for part in told.json["parts"]] == list(PARTS)
    assert all(part["errors"] == [] for part in told.json["parts"])


def test_an_absent_service_is_reported_with_its_exit_code(site: Site) -> None:
    done = site.run("sweep", "--format", "json", env={"UNDERBUTLER_BROKER_URL": "redis://127.0.0.1:1/0"})
    assert done.code == 3, done.err
    told = {part["part"]: part["errors"] for part in json.loads(done.out)["parts"]}
    assert {part for part, errors in told.items() if errors} == {"lost", "messages", "notices"}
    assert told["messages"][0]["type"] == "BrokerUnavailableError"
