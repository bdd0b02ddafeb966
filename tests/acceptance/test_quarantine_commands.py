"""What a person sees and does when something is held, parked, cancelled or lost: on a running stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.broker import make_app
from underbutler.model.job import Phase, TargetState
from underbutler.model.naming import parse_s3_url

pytestmark = pytest.mark.xdist_group("site")


def test_a_target_that_always_kills_is_held_shown_and_replayed(site: Site, tmp_path: Path) -> None:
    marker = tmp_path / "cured"
    row = site.ended(site.submit("probeDieUntil", "demo", *NIGHT_ID, "-c", f"words={marker}"), timeout=120)
    assert row.phase == Phase.ERROR
    targets = site.context.jobs.read.targets(row.id)
    assert [(target.state, target.deaths) for target in targets] == [(TargetState.HELD, 3)] * 2
    (group,) = [
        one
        for one in site.run("quarantine", "list", "--format", "json").json
        if one["fingerprint"] == targets[0].fingerprint
    ]
    assert (group["kind"], group["count"], group["task"]) == ("held", 2, "probeDieUntil")
    status = site.run("status").out
    assert "in quarantine" in status
    assert "underbutler quarantine list" in status
    shown = site.run("quarantine", "show", str(targets[0].id)[-8:]).out
    assert shown.count("died") >= 3
    assert "3 times" in shown
    marker.touch()
    said = site.run("quarantine", "replay", "--group", group["fingerprint"], "--rate", "20/s")
    assert said.code == 0, said.err
    again = site.completed(site.context.jobs.read.job(said.out.strip()))
    assert (again.parent_id, again.n_targets) == (row.id, 2)
    assert again.run != row.run
    assert len(site.context.jobs.read.notices(again.id)) == 2
    assert site.context.jobs.read.notices(row.id) == []
    left = site.run("quarantine", "list", "--all", "--format", "json").json
    assert not {one["id"] for one in left} & {str(target.id) for target in targets}


def test_a_plain_celery_message_is_parked_with_a_cure(site: Site) -> None:
    app = make_app(site.settings)
    app.send_task("probeEmpty", args=["by hand"], queue=site.settings.queue)
    parked = eventually(lambda: site.context.jobs.quarantine.parked(limit=1), 30, "the message in quarantine")
    short = str(parked[0].id)[-8:]
    shown = site.run("quarantine", "show", short)
    assert "probeEmpty" in shown.out
    assert "by hand" in shown.out
    refused = site.run("quarantine", "replay", short)
    assert refused.code == 2
    assert "submit with underbutler" in refused.err
    assert site.run("quarantine", "discard", short, "--yes").code == 0
    assert site.context.jobs.quarantine.parked() == []
    site.completed(site.submit("probeEmpty", "demo", *NIGHT_ID))


def test_cancel_stops_what_runs_and_waits_for_the_end(site: Site) -> None:
    row = site.submit("probeWrite", "demo", "--id", "instrument=SIMCAM", "-c", "seconds=60")
    eventually(
        lambda: site.context.jobs.read.counts(row.id).get(TargetState.RUNNING) == 2,
        60,
        "two children at work on the job",
    )
    done = site.run("cancel", str(row.id)[-8:], "--wait", timeout=60)
    assert done.code == 0, done.err
    assert f"{row.n_targets - 2} targets aborted, 2 being stopped" in done.err
    assert "is aborted" in done.err
    assert site.context.jobs.read.counts(row.id)[TargetState.ABORTED] == row.n_targets
    assert site.context.jobs.read.notices(row.id) == []
    ends = [claim.end for claim in site.context.jobs.read.claims(row.id)]
    assert ends == ["aborted"] * 2
    again = site.run("cancel", str(row.id)[-8:])
    assert (again.code, "has ended already: aborted" in again.err) == (0, True)
    retried = site.run("retry", str(row.id)[-8:], "-c", "seconds=0", "--wait", timeout=120)
    assert retried.code == 0, retried.err
    (made,) = site.context.jobs.read.jobs(limit=1)
    assert (made.parent_id, made.n_targets, made.phase) == (row.id, row.n_targets, Phase.COMPLETED)


def test_one_target_of_a_job_is_cancelled_and_the_others_go_on(site: Site) -> None:
    row = site.submit("probeWrite", "demo", *NIGHT_ID, "-c", "seconds=120")
    eventually(
        lambda: site.context.jobs.read.counts(row.id).get(TargetState.RUNNING) == 2,
        60,
        "two children at work on the job",
    )
    short = str(row.id)[-8:]
    target, other = site.context.jobs.read.targets(row.id)
    unknown = site.run("cancel", short, "--target", "zz")
    assert unknown.code == 2
    assert f"underbutler status {short} -v" in unknown.err
    done = site.run("cancel", short, "--target", str(target.id)[-8:], "--wait", timeout=60)
    assert done.code == 0, done.err
    assert "is aborted" in done.err
    assert site.context.jobs.read.target(other.id).state is TargetState.RUNNING
    assert "has ended already: aborted" in site.run("cancel", short, "--target", str(target.id)[-8:]).err
    assert site.run("cancel", short, "--wait", timeout=60).code == 0
    assert site.context.jobs.read.job(row.id).phase == Phase.ABORTED


def test_an_object_that_the_store_lost_is_delivered_again(site: Site) -> None:
    row = site.completed(site.submit("probeWrite", "demo", *NIGHT_ID, "-c", "words=lost and found"))
    short = str(row.id)[-8:]
    assert site.run("annex", "verify", short).code == 0
    notice = site.context.jobs.read.notices(row.id)[0]
    bucket, key = parse_s3_url(notice.url)
    site.context.s3.delete_object(Bucket=bucket, Key=key)
    found = site.run("annex", "verify", short)
    assert found.code == 1
    assert "object missing" in found.out
    repaired = site.run("annex", "verify", short, "--repair")
    assert repaired.code == 0, repaired.err
    assert "delivered again from the Butler" in repaired.out
    assert site.context.s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == notice.byteSize


def test_a_destroyed_job_keeps_its_row_and_its_datasets(site: Site) -> None:
    row = site.completed(site.submit("probeWrite", "demo", *NIGHT_ID))
    short = str(row.id)[-8:]
    eventually(
        lambda: site.context.jobs.lifetimes.may_be_destroyed(row.id), 60, "the sweeper's look at what the job wrote"
    )
    done = site.run("destroy", short, "--yes")
    assert done.code == 0, done.err
    assert site.context.jobs.read.job(row.id).phase == Phase.ARCHIVED
    assert site.run("status", short).code == 0
    with site.context.repositories.butler("demo", collections=[row.run]) as butler:
        assert len(butler.query_datasets("probePicture")) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("quarantine", "show", "xyz"), ("xyz",)),
        (("quarantine", "replay"), ("--group",)),
        (("quarantine", "replay", "--group", "0123456789ab"), ("0123456789ab", "quarantine list")),
        (("retry", "ffffffff-ffff"), ("ffffffff-ffff", "underbutler status")),
        (("annex", "verify", "ffffffff-ffff"), ("ffffffff-ffff",)),
        (("destroy", "ffffffff-ffff", "--yes"), ("ffffffff-ffff",)),
        (("cancel", "ffffffff-ffff"), ("ffffffff-ffff",)),
    ],
)
def test_what_does_not_exist_is_named_with_the_cure(site: Site, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = site.run(*args)
    assert done.code == 2
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
