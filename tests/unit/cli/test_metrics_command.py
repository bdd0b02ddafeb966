"""`underbutler metrics`: the records as Prometheus reads them, and what is wrong in a sentence."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.command_line import CommandLine
from underbutler import notices_collector
from underbutler.annex import ConsumerQueue
from underbutler.errors import BrokerUnavailableError


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Return the command line of an empty home."""
    return CommandLine(capsys)


def test_an_empty_service_is_told_in_numbers(command: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = ConsumerQueue(name="archive", ready=7, limit=10, parked=1, readers=None)
    monkeypatch.setattr(notices_collector, "ask_consumers", lambda _: [archive])
    assert command("db", "upgrade").code == 0
    said = command("metrics")
    assert said.code == 0, said.err
    families = {family.name: family for family in text_string_to_metric_families(said.out)}
    assert families["underbutler_records_up"].samples[0].value == 1
    assert {sample.labels["state"] for sample in families["underbutler_targets"].samples} == {
        "queued", "running", "delivering", "held",
    }  # fmt: skip
    (waiting,) = families["underbutler_consumer_notices"].samples
    assert (waiting.labels, waiting.value) == ({"consumer": "archive"}, 7)
    assert families["underbutler_consumer_notices_limit"].samples[0].value == 10
    assert families["underbutler_consumer_notices_parked"].samples[0].value == 1


def test_a_broker_that_is_away_leaves_the_records_numbers(
    command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> list[ConsumerQueue]:
        raise BrokerUnavailableError("refused")

    monkeypatch.setattr(notices_collector, "ask_consumers", refused)
    assert command("db", "upgrade").code == 0
    said = command("metrics")
    assert said.code == 0, said.err
    assert "underbutler_records_up 1.0" in said.out
    assert "underbutler_consumer_notices{" not in said.out


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:99999", ":9464"])
def test_an_address_that_is_none_is_refused(command: CommandLine, address: str) -> None:
    said = command("metrics", "--serve", address)
    assert said.code == 2
    assert "127.0.0.1:9464" in said.err
