"""A claim whose process was stopped past its lease wakes up: nothing that it does is visible, and it prunes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.target_site import BOUNDS, TargetSite, doing, once, target_of
from underbutler.errors import FencedOutError, TransientError
from underbutler.model.job import TargetState
from underbutler.records.datasets.intents import Intents
from workers.target.run import GivenBackError

pytestmark = [pytest.mark.usefixtures("steps"), pytest.mark.xdist_group("target_overtaken")]


@pytest.mark.parametrize("moment", ["first", "between", "last"])
def test_a_woken_claim_makes_nothing_visible_and_prunes_nothing(
    site: TargetSite, steps: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from lsst.daf.butler.direct_butler import DirectButler

    _, (one, _) = site.submitted("onePicture")
    pruned: list[Any] = []
    prune = DirectButler.pruneDatasets
    monkeypatch.setattr(DirectButler, "pruneDatasets", lambda *args, **kwargs: pruned.append(prune(*args, **kwargs)))

    def stop_and_wake_up() -> None:
        site.overtake(target_of(one))
        pruned.clear()  # what the successor cleared away before it began

    steps[moment] = stop_and_wake_up
    with pytest.raises(FencedOutError):
        site.run(one)
    assert pruned == []
    site.check_one_visible_effect(one)
    assert site.target(target_of(one)).claim_no == 2
    assert [claim.end for claim in site.context.jobs.read.claims(target_of(one))] == ["worker_died", "done"]
    assert list(site.uploads(target_of(one))) == [2]


def test_a_claim_that_wakes_after_its_last_byte_shows_nothing(
    site: TargetSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.target import delivering

    _, (one, _) = site.submitted("onePicture")
    monkeypatch.setattr(delivering, "deliver", doing(lambda: site.overtake(target_of(one)), delivering.deliver))
    with pytest.raises(FencedOutError):
        site.run(one)
    site.check_one_visible_effect(one)
    said = site.uploads(target_of(one))
    assert sorted(said) == [1, 2], "the sweeper knows the key of the claim that was overtaken"
    assert set(said[1]) | set(said[2]) <= site.keys()
    notices = site.context.jobs.read.notices(one.message.envelope.job)
    assert [notice.key for notice in notices] == said[2]


def test_a_claim_that_wakes_before_pruning_spares_its_successor(
    site: TargetSite, steps: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claim 1 leaves a table; claim 2 stops after it has looked what to prune, claim 3 makes it anew; claim 2 wakes."""
    _, (one, _) = site.submitted("onePicture")
    target = target_of(one)
    steps["between"] = once(TransientError("away"))
    with pytest.raises(GivenBackError):
        site.run(one)
    steps.clear()
    looked = doing(lambda: site.overtake(target), Intents.of_dead_claims)
    with monkeypatch.context() as patch:
        patch.setattr(Intents, "of_dead_claims", looked)
        with pytest.raises(FencedOutError):
            site.run(site.sent_again(target))
    site.check_one_visible_effect(one)
    assert site.target(target).claim_no == 3


def test_a_dead_claims_leftovers_go_before_the_science_starts(site: TargetSite, steps: dict[str, Any]) -> None:
    job, (one, _) = site.submitted("onePicture")
    target = target_of(one)

    class Died(BaseException):
        """Stands for the end of the process: nothing of ours handles it."""

    steps["between"] = once(Died())
    with pytest.raises(Died):
        site.run(one)
    assert set(site.stored(job, target)) == {"oneTable", "onePicture_metadata"}, "half of a result"
    assert site.context.jobs.leases.end_claim(target, 1, end="died", reason="killed", **BOUNDS) is TargetState.QUEUED
    seen: list[set[str]] = []
    steps.clear()
    steps["first"] = lambda: seen.append(set(site.stored(job, target)))
    assert site.run(site.sent_again(target)) is TargetState.DONE
    assert seen == [set()]
    site.check_one_visible_effect(one)
