"""What is held or parked is seen, run again as a new job, or put aside: at the command line, on real records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.command_line import CommandLine, environment_of
from tests.support.services import S3Endpoint
from tests.support.target_site import BOUNDS, TargetSite, open_target_site, target_of
from underbutler.broker import make_app, queue_depth
from underbutler.errors import ConflictError
from underbutler.model.job import Phase, TargetState
from underbutler.model.message import HEADER, digest_of
from underbutler.records import JobRow, Outgoing, Parked
from underbutler.submission.tokens import AccessToken, TokenVault
from underbutler.sweeper.resubmission import run_again
from workers.target.run import TargetFailedError

KILLED = "child 4711 was killed by SIGKILL while it ran /data/night1/a{}.fits"


@pytest.fixture(scope="module")
def site(
    redis_server: tuple[str, Iterator[int]], moto_endpoint: S3Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TargetSite]:
    base, numbers = redis_server
    with open_target_site(tmp_path_factory, moto_endpoint, broker_url=f"{base}/{next(numbers)}") as made:
        yield made


@pytest.fixture
def command(site: TargetSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    for name, value in environment_of(site.settings).items():
        monkeypatch.setenv(name, value)
    return CommandLine(capsys)


def hold(site: TargetSite, one: Outgoing, reason: str = KILLED) -> UUID:
    """Let the child of a target die until the target is held."""
    target = target_of(one)
    for number in range(1, 4):
        message = one if number == 1 else site.sent_again(target)
        claim = site.context.jobs.claims.grant(
            target=target,
            digest=message.message.envelope.digest,
            send_no=message.message.envelope.send_no,
            worker="w1/1a2b3c4d",
            pid=4711,
            lease_s=60,
        )
        site.context.jobs.leases.end_claim(target, claim.claim_no, end="died", reason=reason.format(number), **BOUNDS)
    assert site.target(target).state is TargetState.HELD
    return target


def held_job(site: TargetSite, *words: str, reason: str = KILLED) -> tuple[JobRow, list[UUID]]:
    job, messages = site.submitted("onePicture", *words)
    targets = [hold(site, one, reason) for one in messages]
    return site.context.jobs.read.job(job.id), targets


def run_all(site: TargetSite, job: UUID) -> JobRow:
    """Run the targets of a job whose messages are at the broker, as a worker that took them would."""
    row = site.context.jobs.read.job(job)
    targets = site.context.jobs.read.targets(job)
    assert all(target.sent_at is not None for target in targets), "its messages were sent"
    site.context.jobs.outbox.forget_sent([(target.id, target.send_no) for target in targets])
    for one in site.sent(row):
        site.run(one)
    return site.context.jobs.read.job(job)


def runs(site: TargetSite) -> set[str]:
    """Return the RUN collections of the repository."""
    with site.context.repositories.butler("demo") as butler:
        return set(butler.collections.query("u/*"))


def test_reasons_that_differ_in_numbers_and_paths_are_one_group(site: TargetSite, command: CommandLine) -> None:
    job, targets = held_job(site, reason="the frame {} of /data/x.fits is a riddle")
    (group,) = [one for one in command("quarantine", "list", "--format", "json").json if "riddle" in one["reason"]]
    assert (group["kind"], group["count"], group["task"]) == ("held", 2, "onePicture")
    assert UUID(group["sample"]) in targets
    assert group["first_at"] <= group["last_at"]
    text = command("quarantine", "list").out
    assert group["fingerprint"] in text
    assert "held 2  onePicture" in text
    each = command("quarantine", "list", "--group", group["fingerprint"], "--format", "json").json
    assert {UUID(one["id"]) for one in each} == set(targets)
    assert {one["job_id"] for one in each} == {str(job.id)}
    table = command("quarantine", "list", "--all").out
    assert all(str(target)[-8:] in table for target in targets)


def test_a_job_and_its_retry_go_to_the_queue_it_names(site: TargetSite, command: CommandLine) -> None:
    words = ("demo", "--id", "instrument=SIMCAM", "detector=0", "--no-versions")
    said = command("submit", "onePicture", *words, "--queue", "bulk")
    assert said.code == 0, said.err
    assert "No worker takes from the queue 'bulk' now" in said.err
    job = UUID(said.out.strip())
    targets = site.context.jobs.read.targets(job)
    assert {target.queue for target in targets} == {"bulk"}
    assert queue_depth(make_app(site.settings), site.settings, "bulk").ready == len(targets)
    site.context.jobs.outbox.forget_sent([(target.id, target.send_no) for target in targets])
    for one in site.sent(site.context.jobs.read.job(job)):
        hold(site, one)
    retried = command("quarantine", "replay", *(target.id for target in targets))
    assert retried.code == 0, retried.err
    newest = site.context.jobs.read.jobs(limit=1)[0]
    assert newest.parent_id == job
    assert {target.queue for target in site.context.jobs.read.targets(newest.id)} == {"bulk"}


def test_a_held_target_is_shown_with_its_claims_and_log_ends(site: TargetSite, command: CommandLine) -> None:
    _, (target, _) = held_job(site)
    shown = command("quarantine", "show", str(target)[-12:]).out
    for words in (str(target), "exposure", "child died", "3 times", "SIGKILL", "w1/1a2b3c4d", "4711", "died"):
        assert words in shown
    document = command("quarantine", "show", target, "--format", "json").json
    assert [claim["end"] for claim in document["claims"]] == ["died"] * 3
    assert document["deaths"] == 3
    assert command("quarantine", "show", "00000000-0000").code == 2


def test_replay_makes_a_new_linked_job_with_a_run_of_its_own(site: TargetSite, command: CommandLine) -> None:
    job, (held, other) = held_job(site, "-c", "words=one two three")
    said = command("quarantine", "replay", str(held)[-8:])
    assert said.code == 0, said.err
    again = site.context.jobs.read.job(said.out.strip())
    assert (again.parent_id, again.n_targets, again.task) == (job.id, 1, job.task)
    assert again.steps[0].overrides == job.steps[0].overrides == [["words", "one two three"]]
    assert again.steps[0].config_digest == job.steps[0].config_digest
    assert again.run != job.run
    assert again.run in runs(site)
    (target,) = site.context.jobs.read.targets(again.id)
    old = site.target(held)
    assert target.args[0] == old.args[0] | {"run": again.run}
    assert target.args[1:] == old.args[1:]
    assert target.digest == digest_of(job.task, target.args, again.steps[0].config_digest) != old.digest
    assert old.replayed_as == again.id
    assert (old.state, site.context.jobs.read.job(job.id).phase) == (TargetState.HELD, Phase.ERROR)
    assert site.target(other).replayed_as is None
    assert run_all(site, again.id).phase == Phase.COMPLETED
    assert site.announced(again) == [b"\x89PNG\r\n\x1a\none two three"]
    assert site.announced(job) == []


def test_what_was_replayed_is_not_listed_and_not_replayed_again(site: TargetSite, command: CommandLine) -> None:
    _, targets = held_job(site)
    again = command("quarantine", "replay", *targets).out.strip()
    listed = {one["id"] for one in command("quarantine", "list", "--all", "--format", "json").json}
    assert not listed & {str(target) for target in targets}
    refused = command("quarantine", "replay", targets[0])
    assert refused.code == 2
    assert f"underbutler retry {again[-8:]}" in refused.err


def test_of_two_replays_of_a_target_one_fails_without_a_trace(site: TargetSite) -> None:
    _, targets = held_job(site)
    seen_by_both = [site.target(target) for target in targets]
    app = make_app(site.settings)
    (won,) = run_again(site.context, app, seen_by_both[:1])
    before = runs(site), site.context.jobs.read.jobs(limit=1)
    with pytest.raises(ConflictError, match="another job"):
        run_again(site.context, app, seen_by_both)
    assert (runs(site), site.context.jobs.read.jobs(limit=1)) == before
    assert site.target(targets[0]).replayed_as == won.id
    assert site.target(targets[1]).replayed_as is None


def test_a_whole_job_and_a_group_are_replayed_job_by_job(site: TargetSite, command: CommandLine) -> None:
    strange = "the moon of day {} is made of cheese"
    one, of_one = held_job(site, reason=strange)
    two, of_two = held_job(site, reason=strange)
    group = site.target(of_one[0]).fingerprint
    assert group == site.target(of_two[1]).fingerprint
    made = command("quarantine", "replay", "--group", group, "--format", "json").json
    assert {(row["parent"], row["targets"]) for row in made} == {(str(one.id), 2), (str(two.id), 2)}
    third, _ = held_job(site)
    (row,) = command("quarantine", "replay", third.id, "--format", "json").json
    assert (row["parent"], row["targets"]) == (str(third.id), 2)


def test_the_pace_of_a_replay_is_recorded_and_kept(site: TargetSite, command: CommandLine) -> None:
    one, of_one = held_job(site)
    two, of_two = held_job(site)
    said = command("quarantine", "replay", *of_one, *of_two, "--rate", "10/s")
    assert said.code == 0, said.err
    jobs = [site.context.jobs.read.job(word) for word in said.out.split()]
    assert {row.parent_id for row in jobs} == {one.id, two.id}
    targets = [target for row in jobs for target in site.context.jobs.read.targets(row.id)]
    assert all(target.sent_at is not None for target in targets)
    waits = [target.not_before - target.queued_at for target in targets if target.not_before is not None]
    assert len(waits) >= 2, "the second of each job had to wait"
    assert all(wait <= 0.5 for wait in waits)
    assert all(target.sent_at >= target.not_before for target in targets if target.not_before is not None)


@pytest.mark.parametrize("rate", ["0/s", "5/day", "fast", "-1"])
def test_a_rate_that_is_none_is_refused(site: TargetSite, command: CommandLine, rate: str) -> None:
    said = command("quarantine", "replay", "1a2b3c4d", "--rate", rate)
    assert said.code == 2
    assert "5/s" in said.err


def test_edited_keyword_arguments_replace_those_of_the_target(
    site: TargetSite, command: CommandLine, tmp_path: Path
) -> None:
    _, (target, other) = held_job(site)
    edited = tmp_path / "kwargs.json"
    edited.write_text('{"factor": 2.5, "near": {"$dataset": "00000000-0000-0000-0000-000000000001"}}')
    again = command("quarantine", "replay", target, "--edit", edited).out.strip()
    (row,) = site.context.jobs.read.targets(UUID(again))
    assert row.args[1] == json.loads(edited.read_text())
    for text, words in (("[1]", "object"), ("{", "is not JSON"), ('{"a": {"$pickle": "x"}}', "$pickle")):
        edited.write_text(text)
        said = command("quarantine", "replay", other, "--edit", edited)
        assert (said.code, words in said.err) == (2, True), said.err
    assert site.target(other).replayed_as is None


def test_a_replay_without_a_broker_leaves_nothing(
    site: TargetSite, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (target, _) = held_job(site)
    before = runs(site), site.context.jobs.read.jobs(limit=1)
    monkeypatch.setenv("UNDERBUTLER_BROKER_URL", "redis://127.0.0.1:1/0")
    assert command("quarantine", "replay", target).code == 3
    assert (runs(site), site.context.jobs.read.jobs(limit=1)) == before
    assert site.target(target).replayed_as is None


def test_a_target_with_an_expired_token_is_replayed_with_a_new(
    site: TargetSite, command: CommandLine, tmp_path: Path
) -> None:
    vault = TokenVault(site.context.jobs, site.settings)
    old = vault.keep(AccessToken("an-old-secret-0123456789", 1.0), "tester")
    _, messages = site.submitted("onePicture", token_handle=old)
    target = hold(site, messages[0], "its access token expired")
    refused = command("quarantine", "replay", target)
    assert refused.code == 2
    assert "--access-token-file" in refused.err
    assert site.target(target).replayed_as is None
    file = tmp_path / "token"
    file.write_text("a-new-secret-0123456789\n")
    said = command("quarantine", "replay", target, "--access-token-file", file)
    assert said.code == 0, said.err
    again = site.context.jobs.read.job(said.out.strip())
    assert again.token_handle not in {None, old}
    assert vault.redeem(str(again.token_handle)) == "a-new-secret-0123456789"
    assert "secret" not in said.out + said.err
    other = hold(site, site.submitted("onePicture", token_handle=again.token_handle)[1][0])
    third = site.context.jobs.read.job(command("quarantine", "replay", other).out.strip())
    assert vault.redeem(str(third.token_handle)) == "a-new-secret-0123456789"


def park(site: TargetSite, **fields: Any) -> UUID:
    defaults: dict[str, Any] = {"kind": "foreign", "reason": "The message has no header of ours.", "queue": "reduce"}
    return site.context.jobs.quarantine.park(
        Parked(**(defaults | {"raw": b"[[], {}, {}]", "task": "processCcd"} | fields))
    )


def test_a_foreign_message_is_shown_and_refused_with_a_cure(site: TargetSite, command: CommandLine) -> None:
    message = park(site, raw=b"\x00\x01binary\xff", headers={"lang": "py", "task": "processCcd"})
    shown = command("quarantine", "show", message).out
    for words in ("no header of ours", "reduce", '"lang": "py"', "00 01 62 69 6e 61 72 79 ff", "underbutler submit"):
        assert words in shown
    refused = command("quarantine", "replay", message)
    assert refused.code == 2
    assert "submit with underbutler" in refused.err
    group = site.context.jobs.quarantine.find(message).fingerprint
    assert command("quarantine", "replay", "--group", group).code == 2
    text = park(site, raw='{"what": "ünïcode"}'.encode())
    assert '{"what": "ünïcode"}' in command("quarantine", "show", text).out


def test_a_damaged_copy_of_our_message_tells_its_targets_fate(site: TargetSite, command: CommandLine) -> None:
    job, (one, _) = site.submitted("onePicture")
    header = {HEADER: one.message.envelope.to_json()}
    message = park(site, kind="undecodable", reason="The body is not a list.", headers=header, raw=b"{}")
    advice = command("quarantine", "show", message, "--format", "json").json["advice"]
    assert str(target_of(one))[-8:] in advice
    assert str(job.id)[-8:] in advice
    assert "queued" in advice
    assert "another copy" in advice
    site.run(one)
    after = command("quarantine", "replay", message)
    assert after.code == 2
    assert f"underbutler retry {str(job.id)[-8:]}" in after.err


def test_discard_asks_and_says_what_it_did(
    site: TargetSite, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, (target, _) = held_job(site)
    message = park(site, raw=b"once")
    monkeypatch.setattr("click.confirm", _refuse)
    assert command("quarantine", "discard", target, message).code == 130
    assert site.target(target).discarded_at is None
    said = command("quarantine", "discard", target, message, "--yes")
    assert said.code == 0
    assert f"stays held in job {str(job.id)[-8:]}" in said.err
    assert f"Message {str(message)[-8:]} is discarded" in said.err
    assert "was discarded before" in command("quarantine", "discard", message, "--yes").err
    listed = {one["id"] for one in command("quarantine", "list", "--all", "--format", "json").json}
    assert not listed & {str(target), str(message)}
    assert "was discarded" in command("quarantine", "replay", target).err
    assert park(site, raw=b"once") == message
    listed = {one["id"] for one in command("quarantine", "list", "--all", "--format", "json").json}
    assert str(message) in listed, "the same again is seen again"
    assert command("retry", job.id, "--states", "held").code == 0


def _refuse(*_: object, **__: object) -> bool:
    import click

    raise click.Abort


def test_retry_runs_failed_targets_again_with_another_config(
    site: TargetSite, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import one_target_tasks

    job, (good, bad) = site.submitted("onePicture", "-c", "words=first try")
    site.run(good)
    monkeypatch.setitem(one_target_tasks.steps, "first", _fail)
    with pytest.raises(TargetFailedError):
        site.run(bad)
    one_target_tasks.steps.clear()
    said = command("retry", str(job.id)[-8:], "-c", "words=second try")
    assert said.code == 0, said.err
    again = site.context.jobs.read.job(said.out.strip())
    assert (again.parent_id, again.n_targets) == (job.id, 1)
    assert again.steps[0].overrides == [["words", "first try"], ["words", "second try"]]
    assert again.steps[0].config["words"] == "second try"
    assert again.steps[0].config_digest != job.steps[0].config_digest
    assert run_all(site, again.id).phase == Phase.COMPLETED
    assert site.announced(again) == [b"\x89PNG\r\n\x1a\nsecond try"]
    assert site.target(target_of(bad)).replayed_as == again.id
    refused = command("retry", job.id)
    assert refused.code == 2
    assert str(again.id)[-8:] in refused.err
    assert "runs again" in command("status", again.id).out
    assert "run again by" in command("status", job.id).out


def _fail() -> None:
    raise ArithmeticError("on purpose")


def test_retry_of_a_job_without_such_targets_is_refused(site: TargetSite, command: CommandLine) -> None:
    job, messages = site.submitted("onePicture")
    for one in messages:
        site.run(one)
    refused = command("retry", job.id)
    assert refused.code == 2
    assert "has no target that is failed or held or aborted" in refused.err
    wrong = command("retry", job.id, "--states", "faild")
    assert (wrong.code, "Did you mean 'failed'" in wrong.err) == (2, True)
    assert command("retry", job.id, "--states", "done", "-c", "wordz=1").code == 2
