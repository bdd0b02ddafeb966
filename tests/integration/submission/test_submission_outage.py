"""Either the whole job exists or nothing of it, whatever goes away, and whenever, while it is submitted."""

from __future__ import annotations

import multiprocessing
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.support.submission_place import FRAMES, Place, WhenRecording
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from underbutler.butlers.index import RepositoryIndex
from underbutler.errors import ConflictError, RecordsUnavailableError, UsageError
from underbutler.migrations import upgrade
from underbutler.settings import Settings, load_settings
from underbutler.status.registries import ask_repository
from underbutler.status.why import explain, lacking
from underbutler.submission.sending import send
from underbutler.submission.submit import undo_submission

COMMIT = b"COMMIT\x00"
"""What psycopg says; without its end it is also in READ COMMITTED."""


@pytest.fixture
def proxied(
    settings: Settings, repository: Path, redis_url: str, postgres_url: str
) -> Iterator[tuple[Place, TcpProxy]]:
    """Submit with records on PostgreSQL, behind a proxy that can be cut."""
    upgrade(postgres_url)
    with tcp_proxy(make_url(postgres_url).port or 5432) as proxy:
        url = make_url(postgres_url).set(port=proxy.port).render_as_string(hide_password=False)
        changes = {"broker_url": redis_url, "repository_index": str(repository), "database_url": url}
        place = Place(settings.model_copy(update={**changes, "database_wait_s": 10.0}))
        yield place, proxy
        place.context.close()


def test_a_submission_leaves_its_job_its_run_and_its_messages(place: Place) -> None:
    row = place.submit(lifetime_s=86400.0)
    assert place.all_is_there()
    assert place.left == []
    assert row.destruction_at is not None
    assert row.destruction_at - row.created_at == pytest.approx(86400.0, abs=1.0)
    assert len(place.messages()) == FRAMES


def test_a_job_keeps_what_was_asked_for(place: Place) -> None:
    row = place.submit("-c", "doBias=false", lifetime_s=60.0)
    assert row.request == {
        "repo": "demo",
        "steps": [
            {
                "task": "processCcd",
                "config": [{"path": "doBias", "value": "false", "is_text": True}],
                "ids": {"id": [["instrument=SIMCAM", "detector=0"]]},
            }
        ],
        "with_versions": False,
        "lifetime_s": 60.0,
        "user": "ann",
    }
    assert row.steps[0].overrides == [["doBias", False]]


def test_a_job_lives_as_long_as_the_settings_say_by_default(place: Place) -> None:
    place.settings = place.settings.model_copy(update={"job_lifetime_s": 3600.0})
    row = place.submit()
    assert row.destruction_at is not None
    assert row.destruction_at - row.created_at == pytest.approx(3600.0, abs=1.0)


def test_a_lost_commit_answer_is_asked_for_and_one_job_exists(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=True))
    place.submit(jobs=jobs)
    assert proxy.cuts == 1
    assert place.all_is_there()
    assert len(place.messages()) == FRAMES


def test_a_commit_that_never_arrived_is_done_again(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=False))
    place.submit(jobs=jobs)
    assert proxy.cuts == 1
    assert place.all_is_there()
    assert len(place.messages()) == FRAMES


@pytest.mark.parametrize("deliver", [True, False], ids=["recorded", "not recorded"])
def test_a_submission_stays_open_when_records_stay_away(proxied: tuple[Place, TcpProxy], deliver: bool) -> None:
    place, proxy = proxied
    place.settings = place.settings.model_copy(update={"database_wait_s": 1.0})
    jobs = WhenRecording(place, lambda: proxy.cut_at(COMMIT, deliver=deliver, stay_away=True))
    with pytest.raises(RecordsUnavailableError, match=f"underbutler status {place.job}"):
        place.submit(jobs=jobs)
    proxy.mend()
    assert len(place.job_run()) == 1, "nobody may remove it who does not know"
    assert place.messages() == []
    stale = place.context.jobs.submissions.give_up_stale(0.0)
    assert [one.job for one in stale] == ([] if deliver else [place.job])
    for one in stale:
        assert undo_submission(place.context, one)
    assert place.all_is_there() if deliver else place.nothing_is_left()
    if deliver:
        assert send(place.context.jobs, place.app) == FRAMES, "the sweeper sends what the submitter could not"


def test_records_that_are_away_from_the_beginning_leave_nothing(proxied: tuple[Place, TcpProxy]) -> None:
    place, proxy = proxied
    runs = place.runs()
    proxy.cut()
    with pytest.raises(RecordsUnavailableError):
        place.submit()
    proxy.mend()
    assert place.runs() == runs
    assert place.nothing_is_left()


def test_a_precall_that_fails_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UsageError("the schema cannot be made")

    monkeypatch.setattr("underbutler.pipe.cmdline_task.CmdLineTask.writeSchemas", fail)
    with pytest.raises(UsageError, match="schema cannot be made"):
        place.submit()
    assert place.nothing_is_left()


def test_an_interruption_during_the_recording_leaves_nothing(place: Place) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.submit(jobs=WhenRecording(place, interrupt))
    assert place.nothing_is_left()


def test_a_job_that_the_records_refuse_leaves_nothing(place: Place) -> None:
    with pytest.raises(ConflictError):
        place.submit(parent=uuid.uuid4())
    assert place.nothing_is_left()


def test_an_existing_job_survives_the_refusal_of_its_twin(place: Place) -> None:
    place.submit("-o", "u/ann/mine")
    with pytest.raises(ConflictError):
        place.submit("-o", "u/ann/mine")
    assert "u/ann/mine" in place.runs()
    assert len(place.context.jobs.read.jobs()) == 1
    assert place.announced() == 0


def test_a_submitter_slower_than_the_sweeper_gets_no_job(place: Place) -> None:
    def sweep() -> None:
        (one,) = place.context.jobs.submissions.give_up_stale(0.0)
        assert undo_submission(place.context, one)

    taken: list[Any] = []
    with pytest.raises(ConflictError, match="given up"):
        place.submit(jobs=WhenRecording(place, sweep))
    assert place.nothing_is_left()
    with pytest.raises(ConflictError, match="given up"):
        place.submit(jobs=WhenRecording(place, lambda: taken.extend(place.context.jobs.submissions.give_up_stale(0.0))))
    for one in taken:  # the sweeper comes second, and finds nothing to remove
        assert not undo_submission(place.context, one)
    assert place.nothing_is_left()


def _die_before_recording(settings: Settings, job: uuid.UUID) -> None:
    place = Place(settings)
    place.job = job
    place.submit(jobs=WhenRecording(place, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_leftovers_of_a_killed_submitter_are_removed(place: Place) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_die_before_recording, args=(place.settings, place.job))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert len(place.job_run()) == 1
    assert place.context.jobs.read.jobs() == []
    assert place.context.jobs.submissions.give_up_stale(3600.0) == [], "it may still be at work"
    (one,) = place.context.jobs.submissions.give_up_stale(0.0)
    assert undo_submission(place.context, one)
    assert not undo_submission(place.context, one), "a second sweeper finds it done"
    assert place.nothing_is_left()


def test_a_named_run_stays_because_others_may_write_there(place: Place) -> None:
    with pytest.raises(ConflictError):
        place.submit("-o", "u/ann/shared", parent=uuid.uuid4())
    assert "u/ann/shared" in place.runs()
    assert place.announced() == 0
    assert place.submit("-o", "u/ann/shared").n_targets == FRAMES


def test_a_lost_repository_does_not_keep_its_submission(place: Place) -> None:
    from underbutler.records import Submission

    lost = Submission(job=uuid.uuid4(), repo="gone", out="gone", run="u/ann/x", own_run=True, user="ann")
    place.context.jobs.submissions.announce(lost)
    assert not undo_submission(place.context, lost)
    assert place.announced() == 0


def test_status_reads_a_repository_without_the_butler(repository: Path) -> None:
    uri = RepositoryIndex(str(repository)).read()["demo"]
    told = ask_repository(uri, load_settings())
    assert (told.fault, told.observed) == ("", ("SIMCAM",))
    assert "STE3" in told.instruments
    assert told.folder == Path(uri)


def test_why_names_the_masters_that_a_target_lacks(place: Place) -> None:
    row = place.submit()
    target = place.context.jobs.read.targets(row.id)[0]
    reasons = lacking(place.context, row, target)
    assert [reason.kind for reason in reasons] == ["lacks"] * len(reasons)
    assert any(reason.text.startswith("It lacks something now: no bias") for reason in reasons), reasons
    assert "underbutler submit makeBias demo" in reasons[0].cure
    kinds = [reason.kind for reason in explain(place.context.jobs, place.settings, target).reasons]
    assert kinds == ["queue", "workers"]
