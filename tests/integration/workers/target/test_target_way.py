"""One target, run in this process: what is visible of it, whatever goes wrong between its steps."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import update

from tests.support.annex_faults import FaultyS3
from tests.support.target_site import TargetSite, once, target_of
from underbutler.context import ServiceContext
from underbutler.errors import LostDatasetError, TokenExpiredError, TransientError
from underbutler.model.job import Phase, TargetState
from underbutler.model.message import digest_of
from underbutler.records import NewTarget, StandDown, StandDownReason
from underbutler.records.tables.jobs import Target
from underbutler.retry import Waits
from underbutler.sql import write
from workers.target.deferring import DeferredError
from workers.target.run import GivenBackError, TargetFailedError

pytestmark = [pytest.mark.usefixtures("steps"), pytest.mark.xdist_group("target_way")]


def test_the_usual_way(site: TargetSite, annex: FaultyS3, steps: dict[str, Any]) -> None:
    job, (one, other) = site.submitted("onePicture", "-c", "words=one two")
    seen_before: list[str] = []
    steps["last"] = lambda: seen_before.extend(annex.seen)
    assert site.run(one) is TargetState.DONE
    site.check_one_visible_effect(one, "one two")
    row = site.target(target_of(one))
    assert row.scalars == {"n_words": 2}
    assert row.seconds is not None
    (key,) = site.uploads(target_of(one))[1]
    name = key.rpartition("-")[2]
    assert any(name in line for line in annex.seen if line.startswith("PUT"))
    assert not any(name in line for line in seen_before), "nothing goes to the annex before the science is over"
    assert site.target(target_of(other)).state is TargetState.QUEUED
    assert site.context.jobs.read.job(job.id).phase == Phase.EXECUTING


def test_a_list_of_references_with_kwargs_is_one_target(site: TargetSite) -> None:
    job, (one,) = site.submitted("oneTogether")
    assert site.run(one) is TargetState.DONE
    row = site.target(target_of(one))
    assert row.argsrepr.startswith("detector=0 exposure=")
    assert "^" in row.argsrepr, "two exposures"
    assert row.data_id == {"instrument": "SIMCAM", "detector": 0}
    assert row.scalars == {"n_references": 2}
    with site.context.repositories.butler(job.out, collections=[job.run]) as butler:
        (table,) = butler.query_datasets("oneTable", collections=[job.run])
        assert butler.get(table) == {"weights": [0.25, 0.75], "is_tuple": True}
        (metadata,) = butler.query_datasets("oneTogether_metadata", collections=[job.run])
        assert metadata.dataId["exposure"] < table.dataId["exposure"], "for the first reference"


def test_a_second_delivery_of_the_message_stands_down(site: TargetSite, steps: dict[str, Any]) -> None:
    _, (one, _) = site.submitted("onePicture")
    refused: list[StandDown] = []

    def again() -> None:
        steps.clear()
        with pytest.raises(StandDown) as caught:
            site.run(one, worker="w2")
        refused.append(caught.value)

    steps["between"] = again
    site.run(one)
    assert refused[0].reason is StandDownReason.LIVE
    with pytest.raises(StandDown, match="ended"):
        site.run(one)
    site.check_one_visible_effect(one)


# A service that is away while the science runs


def test_a_transient_error_waits_with_its_log_and_metadata(site: TargetSite, steps: dict[str, Any]) -> None:
    job, (one, _) = site.submitted("onePicture")

    def away() -> None:
        logging.getLogger("science").warning("the service is gone")
        raise TransientError("the service of the sky is away")

    steps["between"] = away
    with pytest.raises(GivenBackError, match="sky"):
        site.run(one)
    row = site.target(target_of(one))
    assert (row.state, row.transient_retries, row.deaths, row.sent_at) == (TargetState.QUEUED, 1, 0, None)
    assert row.not_before is not None
    assert 2.5 <= row.not_before - row.queued_at <= 5.0
    (claim,) = site.context.jobs.read.claims(row.id)
    assert claim.end == "transient"
    assert "the service is gone" in (claim.log or "")
    assert "n_words" in str(claim.metadata)
    assert set(site.stored(job, row.id)) == {"oneTable"}, "metadata is put once, when the target ends"
    with pytest.raises(StandDown) as caught:
        site.run(one)
    assert caught.value.reason is StandDownReason.NOT_BEFORE
    steps.clear()
    assert site.run(site.sent_again(row.id)) is TargetState.DONE
    site.check_one_visible_effect(one)


def test_a_target_fails_when_a_service_was_away_too_often(site: TargetSite, steps: dict[str, Any]) -> None:
    job, (one, _) = site.submitted("onePicture")

    def away() -> None:
        raise TransientError("the service of the sky is away")

    steps["last"] = away
    target = target_of(one)
    for _ in range(2):
        with pytest.raises(GivenBackError):
            site.run(one)
        one = site.sent_again(target)
    with pytest.raises(TargetFailedError):
        site.run(one)
    row = site.target(target)
    assert row.state is TargetState.FAILED
    assert row.error_type == "TransientError"
    assert "Tried 3 times" in (row.error_text or "")
    assert set(site.stored(job, target)) == {"oneTable", "onePicture", "onePicture_metadata"}
    assert {product.dataset_id for product in site.context.jobs.read.products_of(target)} == site.ids_of(job, target)
    assert site.context.jobs.read.notices(job.id) == []


def test_a_failed_target_lists_what_it_stored(site: TargetSite, steps: dict[str, Any]) -> None:
    job, (one, _) = site.submitted("onePicture")
    steps["between"] = once(ArithmeticError("the sky is not computable"))
    with pytest.raises(TargetFailedError) as caught:
        site.run(one)
    assert isinstance(caught.value.error, ArithmeticError)
    target = target_of(one)
    row = site.target(target)
    assert (row.state, row.error_type) == (TargetState.FAILED, "ArithmeticError")
    products = site.context.jobs.read.products_of(target)
    assert {product.dataset_type for product in products} == {"oneTable", "onePicture_metadata"}
    assert {product.dataset_id for product in products} == site.ids_of(job, target)
    assert all(product.byte_size and not product.large and product.url is None for product in products)


def test_a_target_without_work_lists_what_it_stored(site: TargetSite) -> None:
    job, (one, _) = site.submitted("oneNothing")
    assert site.run(one) is TargetState.NO_WORK
    products = site.context.jobs.read.products_of(target_of(one))
    assert {product.dataset_type for product in products} == {"oneTable", "oneNothing_metadata"}
    assert {product.dataset_id for product in products} == site.ids_of(job, target_of(one))


# A repository that does not open


def test_a_repository_that_does_not_open_opens_its_breaker(site: TargetSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from underbutler.butlers import Repositories

    _, (one, other) = site.submitted("oneTableTask")
    with ServiceContext(site.settings) as context, monkeypatch.context() as patch:

        def away(*_: Any, **__: Any) -> Any:
            raise TransientError("The registry of repository 'demo' does not answer: gone.", label="demo")

        patch.setattr(Repositories, "_create", away)
        for message in (one, site_other := other):
            with pytest.raises(GivenBackError, match="registry"):
                site.run(message, context=context)
        (breaker,) = site.context.jobs.breakers.failing()
        assert (breaker.label, breaker.failures) == ("demo", 2)
        assert breaker.open_until is not None
    assert site.target(target_of(one)).transient_retries == 1
    with pytest.raises(DeferredError, match="demo"):
        site.run(site.sent_again(target_of(one)))
    row = site.target(target_of(one))
    assert (row.state, row.claim_no, row.sent_at) == (TargetState.QUEUED, 1, None)
    assert row.not_before is not None
    assert row.waiting_reason is not None
    site.context.jobs.breakers.close("demo")
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE
    assert site.run(site.sent_again(target_of(site_other))) is TargetState.DONE


def test_the_first_success_of_a_process_closes_the_breaker(site: TargetSite) -> None:
    jobs = site.context.jobs
    bounds: dict[str, Any] = {"failures": 5, "open_s": 1.0, "cap_s": 1.0}
    jobs.breakers.count_failure("demo", "another process could not", **bounds)
    _, (one, other) = site.submitted("oneTableTask")
    with ServiceContext(site.settings) as context:
        site.run(one, context=context)
        assert jobs.breakers.failing() == []
        jobs.breakers.count_failure("demo", "another process could not", **bounds)
        site.run(other, context=context)
        assert len(jobs.breakers.failing()) == 1, "what works is not written down for every target"
    jobs.breakers.close("demo")


# The annex is away


def test_a_delivery_waits_for_the_annex_and_resumes_alone(
    site: TargetSite, annex: FaultyS3, steps: dict[str, Any]
) -> None:
    job, (one, other) = site.submitted("onePicture")
    runs: list[int] = []
    steps["first"] = lambda: runs.append(1)
    with annex.refusing():
        with pytest.raises(GivenBackError):
            site.run(one)
        row = site.target(target_of(one))
        assert (row.state, row.sent_at, row.lease_until) == (TargetState.DELIVERING, None, None)
        assert row.not_before is not None
        assert (row.transient_retries, row.deaths, row.scalars) == (0, 0, {"n_words": 1})
        assert site.context.jobs.read.notices(job.id) == []
        with pytest.raises(GivenBackError):
            site.run(site.sent_again(row.id))
    assert site.run(site.sent_again(row.id), worker="w2") is TargetState.DONE
    assert runs == [1]
    site.check_one_visible_effect(one)
    after = site.target(row.id)
    assert (after.scalars, after.seconds) == (row.scalars, row.seconds)
    assert [claim.end for claim in site.context.jobs.read.claims(row.id)] == ["given_back", "given_back", "done"]
    assert sorted(site.uploads(row.id)) == [1, 2, 3]
    assert site.target(target_of(other)).state is TargetState.QUEUED


def test_a_short_illness_of_the_annex_is_outlasted_by_the_claim(
    site: TargetSite, annex: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.target.delivering.ANNEX_OF_A_TARGET", Waits(0.01, 0.01))
    _, (one, _) = site.submitted("onePicture")
    annex.spoil("error", "HEAD", times=6)  # the client itself asks three times
    assert site.run(one) is TargetState.DONE
    site.check_one_visible_effect(one)


def test_a_dataset_lost_before_its_delivery_fails_the_target(site: TargetSite, annex: FaultyS3) -> None:
    job, (one, _) = site.submitted("onePicture")
    target = target_of(one)
    with annex.refusing(), pytest.raises(GivenBackError):
        site.run(one)
    (picture,) = [product for product in site.context.jobs.read.products_of(target) if product.large]
    with site.context.repositories.butler("demo", writeable=True) as butler:
        ref = butler.get_dataset(picture.dataset_id)
        butler.pruneDatasets([ref], disassociate=True, unstore=True, purge=True)
    with pytest.raises(TargetFailedError) as caught:
        site.run(site.sent_again(target))
    assert isinstance(caught.value.error, LostDatasetError)
    row = site.target(target)
    assert row.state is TargetState.FAILED
    assert "onePicture" in (row.error_text or "")
    assert str(picture.dataset_id) in (row.error_text or "")
    assert site.context.jobs.read.notices(job.id) == []


def test_an_absent_datastore_is_waited_for_at_the_delivery(site: TargetSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from lsst.resources import ResourcePath

    job, (one, _) = site.submitted("onePicture")

    def refuse(*_args: object, **_options: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://store")

    with monkeypatch.context() as patch:
        patch.setattr(ResourcePath, "open", refuse)
        with pytest.raises(GivenBackError, match="datastore of repository 'demo'"):
            site.run(one)
    assert site.target(target_of(one)).state is TargetState.DELIVERING
    assert site.context.jobs.read.notices(job.id) == []
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE
    site.check_one_visible_effect(one)


def test_a_time_limit_in_a_delivery_leaves_it_to_be_resumed(site: TargetSite, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.target import delivering

    _, (one, _) = site.submitted("onePicture")
    with monkeypatch.context() as patch:
        patch.setattr(delivering, "deliver", lambda *_, **__: once(SoftTimeLimitExceeded())())
        with pytest.raises(GivenBackError, match="time limit"):
            site.run(one)
    assert site.target(target_of(one)).state is TargetState.DELIVERING
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE
    site.check_one_visible_effect(one)


# Messages that this worker cannot read


def test_a_target_of_another_universe_waits_and_is_then_held(site: TargetSite) -> None:
    settings = site.settings.model_copy(update={"unknown_wait_s": 0.0})
    _, (one, other) = site.submitted("oneTableTask")
    with ServiceContext(site.settings) as context:
        context._universes["demo"] = ("daf_butler", 99)
        with pytest.raises(DeferredError, match="universe"):
            site.run(one, context=context)
    row = site.target(target_of(one))
    assert (row.state, row.claim_no, row.sent_at) == (TargetState.QUEUED, 0, None)
    assert "daf_butler 99" in (row.waiting_reason or "")
    with ServiceContext(settings) as context:
        context._universes["demo"] = ("daf_butler", 99)
        with pytest.raises(DeferredError):
            site.run(other, context=context)
    held = site.target(target_of(other))
    assert held.state is TargetState.HELD
    assert "universe" in (held.error_text or "")
    assert site.run(site.sent_again(target_of(one))) is TargetState.DONE, "another worker reads it"


def test_a_reference_of_a_version_that_is_not_known_waits(site: TargetSite) -> None:
    def of_the_future(target: NewTarget) -> NewTarget:
        ref, kwargs = target.args
        args = (ref | {"v": 99}, kwargs)
        return replace(target, args=args, digest=digest_of("oneTableTask", args, config_digest))

    config_digest = site.submitted("oneTableTask")[0].steps[0].config_digest
    _, (one, _) = site.submitted("oneTableTask", change=of_the_future)
    with pytest.raises(DeferredError, match="version 99"):
        site.run(one)
    row = site.target(target_of(one))
    assert (row.state, row.claim_no, row.sent_at) == (TargetState.QUEUED, 0, None)
    assert "Upgrade workers" in (row.waiting_reason or "")


def test_a_target_that_nobody_can_read_is_held_at_once(site: TargetSite) -> None:
    job, (one, _) = site.submitted("onePicture")
    args = ({"$nothing": 1},)
    digest = digest_of(one.message.task, args, one.message.envelope.config)
    with write(site.context.engine) as connection:
        connection.execute(update(Target).where(Target.id == target_of(one)).values(args=list(args), digest=digest))
    envelope = replace(one.message.envelope, digest=digest)
    with pytest.raises(DeferredError, match="is held") as raised:
        site.run(replace(one, message=replace(one.message, args=args, envelope=envelope)))
    assert raised.value.state is TargetState.HELD
    row = site.target(target_of(one))
    assert row.state is TargetState.HELD, "else it would be sent again for ever"
    assert "$nothing" in str(row.error_text)
    assert site.context.jobs.read.job(job.id).n_failed == 1


def test_a_process_that_is_not_fit_takes_no_target(site: TargetSite) -> None:
    _, (one, _) = site.submitted("oneTableTask")
    crowded = site.settings.model_copy(update={"scratch_min_bytes": 2**62})
    with ServiceContext(crowded) as context, pytest.raises(DeferredError, match="scratch"):
        site.run(one, context=context)
    row = site.target(target_of(one))
    assert (row.state, row.claim_no) == (TargetState.QUEUED, 0)
    assert "scratch" in (row.waiting_reason or "")
    assert site.run(site.sent_again(row.id)) is TargetState.DONE


def test_a_target_whose_token_has_expired_is_held(site: TargetSite, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (one, _) = site.submitted("oneTableTask", token_handle="no-such-handle")
    with pytest.raises(TargetFailedError) as caught:
        site.run(one)
    assert isinstance(caught.value.error, TokenExpiredError)
    row = site.target(target_of(one))
    assert (row.state, row.error_type) == (TargetState.HELD, "TokenExpiredError")
