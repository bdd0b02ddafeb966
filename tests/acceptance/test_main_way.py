"""Submit → broker → worker → butler → S3 → notice, with real processes, as a person at a terminal sees it."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path

import pytest

from tests.support.services import eventually
from tests.support.stack.site import NIGHT_ID, Site
from underbutler.annex import fetch
from underbutler.broker import make_app
from underbutler.model.job import Phase, TargetState
from underbutler.model.message import HEADER

pytestmark = pytest.mark.xdist_group("site")


def test_a_job_runs_to_an_object_that_its_notice_fetches(site: Site) -> None:
    row = site.completed(site.submit("probeWrite", "demo", *NIGHT_ID, "-c", "words=one two"))
    assert row.n_targets == 2
    targets = site.context.jobs.read.targets(row.id)
    assert [target.state for target in targets] == [TargetState.DONE] * 2
    assert [target.scalars["n_words"] for target in targets if target.scalars] == [2, 2]
    notices = site.context.jobs.read.notices(row.id)
    assert {notice.generator for notice in notices} == {"probeWrite.probePicture"}
    assert len(notices) == 2
    for notice in notices:
        held = io.BytesIO()
        fetch(site.context.s3, notice, held)
        assert held.getvalue() == b"\x89PNG\r\n\x1a\none two"
        assert notice.checkSum == hashlib.sha256(held.getvalue()).hexdigest()
    with site.context.repositories.butler("demo", collections=[row.run]) as butler:
        found = {ref.datasetType.name for ref in butler.query_all_datasets(row.run)}
        tables = [butler.get(ref) for ref in butler.query_datasets("probeTable")]
    assert {table["words"] for table in tables} == {"one two"}
    assert {"probeTable", "probePicture", "probeWrite_config", "probeWrite_metadata", "probeWrite_packages"} <= found


def test_extra_keyword_arguments_and_a_butler_reach_the_task(site: Site) -> None:
    row = site.completed(site.submit("probePixels", "demo", *NIGHT_ID))
    with site.context.repositories.butler("demo", collections=[row.run]) as butler:
        tables = [butler.get(ref) for ref in butler.query_datasets("probeTable")]
    assert all(table["has_butler"] for table in tables)
    assert all(table["median"] > 1000 for table in tables)


def test_a_failed_target_is_failed_everywhere_with_its_reason(site: Site) -> None:
    done = site.run("submit", "probeFail", "demo", *NIGHT_ID, "-c", "words=on purpose", "--wait")
    assert done.code == 1
    assert "ArithmeticError" in done.out
    assert "on purpose" in done.out
    (row,) = site.context.jobs.read.jobs(limit=1)
    assert row.phase == Phase.ERROR
    claims = site.context.jobs.read.claims(row.id)
    assert {claim.end for claim in claims} == {"failed"}
    assert all("ArithmeticError" in (claim.log or "") for claim in claims)
    with site.context.repositories.butler("demo", collections=[row.run]) as butler:
        assert len(butler.query_datasets("probeFail_metadata")) == 2, "metadata is written on failure too"


def test_no_work_is_not_a_failure(site: Site) -> None:
    row = site.completed(site.submit("probeNoWork", "demo", *NIGHT_ID))
    assert {target.state for target in site.context.jobs.read.targets(row.id)} == {TargetState.NO_WORK}


def test_a_target_that_takes_too_long_is_stopped_and_says_why(site: Site) -> None:
    row = site.ended(site.submit("probeSlow", "demo", *NIGHT_ID))
    assert row.phase == Phase.ERROR
    for target in site.context.jobs.read.targets(row.id):
        assert target.error_type == "SoftTimeLimitExceeded"
        assert "by its time limit" in (target.error_text or "")


def test_an_exit_status_without_an_exception_is_a_failure(site: Site) -> None:
    good = site.ended(site.submit("probeStatus", "demo", *NIGHT_ID))
    bad = site.ended(site.submit("probeStatus", "demo", *NIGHT_ID, "-c", "words=three"))
    assert (good.phase, good.n_targets) == (Phase.COMPLETED, 1)
    assert bad.phase == Phase.ERROR
    (target,) = site.context.jobs.read.targets(bad.id)
    assert "exit status 3" in (target.error_text or "")


def test_a_put_of_an_undeclared_type_names_it_and_the_cure(site: Site) -> None:
    row = site.ended(site.submit("probeUndeclared", "demo", *NIGHT_ID))
    (target, _) = site.context.jobs.read.targets(row.id)
    assert target.state == TargetState.FAILED
    assert "'notDeclared'" in (target.error_text or "")
    assert "datasetTypes" in (target.error_text or "")


def test_a_message_delivered_twice_has_one_effect(site: Site) -> None:
    row = site.ended(site.submit("probeWrite", "demo", *NIGHT_ID))
    (target, other) = site.context.jobs.read.targets(row.id)
    notices = site.context.jobs.read.notices(row.id)
    app = make_app(site.settings)
    again = make_envelope(row, target)
    app.send_task(target.task, args=target.args, task_id=f"{target.id}.1", queue=target.queue, headers={HEADER: again})
    marker = site.ended(site.submit("probeEmpty", "demo", *NIGHT_ID))
    assert marker.phase == Phase.COMPLETED
    (after, _) = site.context.jobs.read.targets(row.id)
    assert after.claim_no == 1
    assert site.context.jobs.read.notices(row.id) == notices
    assert other.state == TargetState.DONE


def test_a_dead_claim_is_taken_over_and_its_leftovers_replaced(site: Site, tmp_path: Path) -> None:
    (first, *_) = site.context.jobs.read.targets(site.completed(site.submit("probeEmpty", "demo", *NIGHT_ID)).id)
    one = ("--id", "instrument=SIMCAM", "detector=0", f"exposure={first.data_id['exposure']}")
    row = site.submit("probeDieOnce", "demo", *one, "-c", f"words={tmp_path / 'died'}")
    (target,) = site.context.jobs.read.targets(row.id)
    eventually((tmp_path / "died").exists, 60, "the death of the first claim")
    ended = site.completed(row)
    assert [claim.end for claim in site.context.jobs.read.claims(ended.id)] == ["died", "done"]
    with site.context.repositories.butler("demo", collections=[ended.run]) as butler:
        (table,) = [butler.get(ref) for ref in butler.query_datasets("probeTable")]
    assert table == {"try": 2}
    (notice,) = site.context.jobs.read.notices(ended.id)
    assert notice.key.endswith(f"{target.id}.2.png"), "the key is fenced by the claim's number"


def make_envelope(row: object, target: object) -> dict[str, object]:
    """Return the header of a sending that happened before."""
    from underbutler.model.message import Envelope, now_s

    return Envelope(
        job=row.id,  # type: ignore[attr-defined]
        target=target.id,  # type: ignore[attr-defined]
        send_no=1,
        digest=target.digest,  # type: ignore[attr-defined]
        config=row.steps[0].config_digest,  # type: ignore[attr-defined]
        sent_at=now_s(),
    ).to_json()


def test_cancel_stops_what_runs_and_what_waits(site: Site) -> None:
    row = site.submit("probeWrite", "demo", "--id", "instrument=SIMCAM", "-c", "seconds=60")
    eventually(
        lambda: site.context.jobs.read.counts(row.id).get(TargetState.RUNNING) == 2,
        60,
        "two children at work on the job",
    )
    done = site.run("cancel", str(row.id)[-8:])
    assert done.code == 0
    ended = site.ended(row)
    assert ended.phase == Phase.ABORTED
    assert site.context.jobs.read.counts(row.id)[TargetState.ABORTED] == row.n_targets
    after = site.ended(site.submit("probeEmpty", "demo", *NIGHT_ID), timeout=50)
    assert after.phase == Phase.COMPLETED, "the children are free again long before the 60 s"
    assert site.context.jobs.read.notices(row.id) == []


def test_status_tells_of_a_job_in_text_and_json(site: Site) -> None:
    row = site.ended(site.submit("probeWrite", "demo", *NIGHT_ID))
    short = str(row.id)[-8:]
    listed = site.run("status", "--format", "json").json["jobs"]
    assert listed[0]["id"] == str(row.id)
    assert listed[0]["counts"] == {"done": 2}
    one = site.run("status", short, "-v", "--format", "json").json
    assert len(one["targets"]) == len(one["notices"]) == len(one["claims"]) == 2
    text = site.run("status", short).out
    assert "done" in text
    assert "probeWrite.probePicture" in text
    missing = site.run("status", str(uuid.uuid4()))
    assert missing.code == 2
    assert "No job" in missing.err


def test_a_dry_run_writes_nothing(site: Site) -> None:
    before = site.context.jobs.read.jobs(limit=1)
    done = site.run("submit", "probeWrite", "demo", *NIGHT_ID, "--dry-run")
    assert done.code == 0
    assert done.out.count("SIMCAM") == 2
    assert "Nothing was written" in done.err
    assert site.context.jobs.read.jobs(limit=1) == before


def test_the_task_list_names_what_does_not_load(site: Site) -> None:
    done = site.run("tasks", "--format", "json")
    tasks = {task["name"]: task for task in done.json}
    assert "error" in tasks["probeBroken"]
    assert set(tasks["probeWrite"]["dataset_types"]) == {"probeTable", "probePicture"}
    assert "processCcd" in tasks


def test_the_same_task_runs_here_and_now_without_the_queue(site: Site) -> None:
    before = site.context.jobs.read.jobs(limit=1)
    done = site.run("run", "probeWrite", "demo", *NIGHT_ID, "-j", 2, "-c", "words=here", "-o", "u/tester/here")
    assert done.code == 0, done.err
    with site.context.repositories.butler("demo", collections=["u/tester/here"]) as butler:
        assert {butler.get(ref)["words"] for ref in butler.query_datasets("probeTable")} == {"here"}
    assert site.context.jobs.read.jobs(limit=1) == before
    failing = site.run("run", "probeFail", "demo", *NIGHT_ID)
    assert failing.code == 2, "the exit code counts the failed targets"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("probeWrit", "demo", *NIGHT_ID), ("probeWrit", "Did you mean 'probeWrite'")),
        (("probeWrite", "demmo", *NIGHT_ID), ("demmo", "demo")),
        (("probeWrite", "demo", *NIGHT_ID, "--collections", "nowhere"), ("nowhere",)),
        (("probeWrite", "demo", "--id", "instrument=SIMCAM", "detector=x"), ("detector", "x")),
        (("probeWrite", "demo", "--id", "instrument=SIMCAM", "detektor=0"), ("detektor", "detector")),
        (("probeWrite", "demo", "--id", "instrument=SIMCAM", "exposure=1..x"), ("1..x",)),
        (("probeWrite", "demo", "--id", "instrument=SIMCAM", "exposure=9..1"), ("9..1",)),
        (("probeWrite", "demo", "--id", "detector=0", "detector=1"), ("detector", "twice")),
        (("probeWrite", "demo", "--id", "instrument=SIMCAM", "exposure=77"), ("match",)),
        (("probeWrite", "demo", *NIGHT_ID, "-c", "wordz=1"), ("wordz", "words")),
        (("probeWrite", "demo", *NIGHT_ID, "-c", "seconds=abc"), ("seconds", "abc")),
        (("probeHuge", "demo", *NIGHT_ID), ("detector=0", "262144")),
        (("probeArray", "demo", *NIGHT_ID), ("kwargs.kernel", "numpy.ndarray")),
        (("probeBroken", "demo", *NIGHT_ID), ("probeBroken", "probe_tasks_that_do_not_exist")),
    ],
)
def test_bad_input_is_refused_by_name_and_leaves_nothing(
    site: Site, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    before = site.context.jobs.read.jobs(limit=1)
    done = site.run("submit", *args)
    assert done.code == 2
    assert done.out == ""
    for word in words:
        assert word in done.err, done.err
    assert "Traceback" not in done.err
    assert site.context.jobs.read.jobs(limit=1) == before
