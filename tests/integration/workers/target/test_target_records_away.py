"""The records do not answer, or their answer is lost, at any step of a target: repeated, it has one effect."""

from __future__ import annotations

from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tests.support.target_site import TargetSite, doing, once, target_of
from underbutler.context import ServiceContext
from underbutler.errors import RecordsUnavailableError, TransientError
from underbutler.model.job import TargetState
from underbutler.records import StandDown
from underbutler.records.datasets.intents import Intents
from underbutler.records.reading.jobs import Reading
from underbutler.records.targets.claims import Claims
from underbutler.retry import Waits
from workers.target.run import GivenBackError, TargetFailedError

pytestmark = [pytest.mark.usefixtures("steps"), pytest.mark.xdist_group("target_records_away")]


VERBS = [
    (Claims, "grant"),
    (Reading, "job"),
    (Intents, "record"),
    (Claims, "begin_delivery"),
    (Claims, "complete"),
]


@pytest.mark.parametrize(("role", "verb"), VERBS)
@pytest.mark.parametrize("answer", ["refused", "lost"])
def test_records_that_are_away_at_any_step_are_waited_for(
    site: TargetSite, monkeypatch: pytest.MonkeyPatch, role: type, verb: str, answer: str
) -> None:
    """Either the call did nothing, or it did all and its answer was lost: repeated, it has one effect."""
    monkeypatch.setattr("workers.target.waiting_for_records.RECORDS_OF_A_TARGET", Waits(0.01, 5.0))
    _, (one, _) = site.submitted("onePicture")
    left = 2
    call = getattr(role, verb)

    def away(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if not left:
            return call(*args, **kwargs)
        left -= 1
        if answer == "lost":
            call(*args, **kwargs)
        raise RecordsUnavailableError("the drill")

    with ServiceContext(site.settings) as context:
        monkeypatch.setattr(role, verb, away)
        if (verb, answer) == ("grant", "lost"):
            with pytest.raises(StandDown):
                site.run(one, context=context)
            monkeypatch.undo()
            row = site.target(target_of(one))
            assert (row.state, row.lease_until, row.deaths) == (TargetState.QUEUED, None, 0)
            one = site.sent_again(target_of(one))
        assert site.run(one, context=context) is TargetState.DONE
    monkeypatch.undo()
    site.check_one_visible_effect(one)


def test_a_give_back_outlasts_records_that_are_away(
    site: TargetSite, steps: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.target.waiting_for_records.RECORDS_OF_A_TARGET", Waits(0.01, 5.0))
    _, (one, _) = site.submitted("oneTableTask")
    steps["first"] = once(TransientError("the sky is away"))
    lose = once(RecordsUnavailableError("the drill"))
    with monkeypatch.context() as patch:
        patch.setattr(Claims, "give_back", doing(lose, Claims.give_back))
        with pytest.raises(GivenBackError):
            site.run(one)
    row = site.target(target_of(one))
    assert (row.state, row.transient_retries) == (TargetState.QUEUED, 1)
    assert site.run(site.sent_again(row.id)) is TargetState.DONE


@pytest.mark.parametrize("verb", ["begin_delivery", "complete"])
def test_a_time_limit_after_the_science_does_not_undo_it(
    site: TargetSite, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    _, (one, _) = site.submitted("onePicture")
    call, strike = getattr(Claims, verb), once(SoftTimeLimitExceeded())

    def struck(*args: Any, **kwargs: Any) -> Any:
        strike()
        return call(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Claims, verb, struck)
        assert site.run(one) is TargetState.DONE
    site.check_one_visible_effect(one)


def test_a_target_whose_outcome_cannot_be_recorded_fails(site: TargetSite, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (one, _) = site.submitted("oneTableTask")
    call, refuse = Claims.complete, once(ValueError("not recordable"))

    def refused(*args: Any, **kwargs: Any) -> Any:
        refuse()
        return call(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Claims, "complete", refused)
        with pytest.raises(TargetFailedError, match="not recordable"):
            site.run(one)
    assert site.target(target_of(one)).state is TargetState.FAILED
