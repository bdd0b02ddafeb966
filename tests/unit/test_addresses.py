"""Addresses as people write them, and what is said of those that nobody can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from underbutler.addresses import AddressError, broker_address
from underbutler.errors import UsageError
from underbutler.settings import load_settings


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("redis://:p%2Fw@host:6380/2?ssl_cert_reqs=none", "redis://:p%2Fw@host:6380/2?ssl_cert_reqs=none"),
        ("valkey://ann:secret@host/1", "redis://ann:secret@host/1"),
        ("valkeys://host:6380/0?ssl_cert_reqs=required", "rediss://host:6380/0?ssl_cert_reqs=required"),
        ("valkey+socket:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("sentinel://a:26379; sentinel://b:26379", "sentinel://a:26379;sentinel://b:26379"),
        ("amqp://", "amqp://"),
    ],
)
def test_a_brokers_address_is_written_as_all_clients_read_it(written: str, understood: str) -> None:
    assert broker_address(written) == understood


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "is empty"),
        ("localhost:6379", "is not an address"),
        ("redsi://host", "begins with 'redsi'.*Did you mean 'redis'?"),
        ("redis://", "names no host"),
        ("redis://host:70000/0", "has no valid port"),
        ("redis://:a/b@host:6379/0", "has no valid port.*%2F"),
        ("redis+socket://", "names no socket"),
        ("sentinel://a;redis://b", "mixes redis and sentinel"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_with_its_cure(written: str, words: str) -> None:
    with pytest.raises(AddressError, match=words):
        broker_address(written)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("UNDERBUTLER_BROKER_URL", "", "^UNDERBUTLER_BROKER_URL is empty"),
        ("CELERY_BROKER_URL", "redsi://h", "^CELERY_BROKER_URL='redsi://h' begins with 'redsi'"),
        ("UNDERBUTLER_LEASE_S", "abc", "^UNDERBUTLER_LEASE_S='abc' does not fit: .*valid number"),
        ("UNDERBUTLER_DATABASE_URL", "", "^UNDERBUTLER_DATABASE_URL is empty"),
        ("S3_ENDPOINT_URL", "store:9000", "^S3_ENDPOINT_URL='store:9000' is not an address"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "often", "^AWS_REQUEST_CHECKSUM_CALCULATION='often' does not fit"),
        ("UNDERBUTLER_BROKER_SENTINEL_KWARGS", "ssl", "^UNDERBUTLER_BROKER_SENTINEL_KWARGS='ssl' is not a JSON object"),
    ],
)
def test_a_setting_that_does_not_fit_names_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=words):
        load_settings(home=tmp_path)


def test_an_address_that_is_refused_is_told_without_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERBUTLER_BROKER_URL", "redis://ann:hush/hush@host:6379/0")
    with pytest.raises(UsageError, match=r"://\*\*\*@host") as caught:
        load_settings(home=tmp_path)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", ["WHEN_REQUIRED", "When_Required", "when_required"])
def test_aws_own_words_are_read_in_any_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", value)
    assert load_settings(home=tmp_path).s3_checksums == "when_required"


def test_settings_may_be_a_key(tmp_path: Path) -> None:
    """Open repositories and clients are kept by the settings that they were opened with."""
    assert len({load_settings(home=tmp_path), load_settings(home=tmp_path)}) == 1
