"""A repository is asked where it is, without the Butler: on PostgreSQL, in S3, by HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.services import S3Endpoint, postgres_execute
from tests.support.status_site import stub_s3
from underbutler.s3 import make_client
from underbutler.settings import Settings, load_settings
from underbutler.status.registries import Registry, ask_repository

CONFIG = "registry:\n  db: {url}\n  namespace: night\n"


@pytest.fixture
def registry_url(postgres_url: str) -> str:
    """Return the address of a registry of two instruments, one of which has exposures."""
    for statement in (
        "CREATE SCHEMA night",
        "CREATE TABLE night.instrument (name TEXT)",
        "CREATE TABLE night.exposure (instrument TEXT, id INTEGER)",
        "INSERT INTO night.instrument VALUES ('NEW'), ('CAM')",
        "INSERT INTO night.exposure VALUES ('CAM', 1)",
    ):
        postgres_execute(postgres_url, statement)
    return postgres_url.replace("+psycopg", "")


def test_a_registry_on_postgresql_tells_its_instruments(registry_url: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "butler.yaml").write_text(CONFIG.format(url=registry_url))
    asked = Registry(instruments=("CAM", "NEW"), observed=("CAM",))
    assert ask_repository(str(tmp_path), settings) == asked
    assert ask_repository(tmp_path.as_uri(), settings) == asked
    (tmp_path / "butler.yaml").write_text(CONFIG.format(url=registry_url + "_gone"))
    gone = ask_repository(str(tmp_path), settings)
    assert gone.fault == "does not answer"
    assert gone.cure == "Correct registry.db in its butler.yaml, or make that database."


def test_a_repository_in_s3_is_read_from_there(
    registry_url: str, moto_endpoint: S3Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_endpoint.environment().items():
        monkeypatch.setenv(name, value)
    there = load_settings()
    client = make_client(there)
    client.create_bucket(Bucket="butlers")
    client.put_object(Bucket="butlers", Key="night/butler.yaml", Body=CONFIG.format(url=registry_url).encode())
    assert ask_repository("s3://butlers/night", there).observed == ("CAM",)
    gone = ask_repository("s3://butlers/day", there)
    assert gone.fault == "cannot be read"
    assert "There is no object s3://butlers/day/butler.yaml" in gone.why
    client.close()


def test_a_remote_repository_is_asked_by_http(settings: Settings) -> None:
    with stub_s3(401) as url:
        assert ask_repository(f"{url}/api/butler/repo/night", settings) == Registry(), "it wants a token, and is there"
    assert ask_repository(url, settings).fault == "does not answer"
    with stub_s3(503) as url:
        assert ask_repository(url, settings).fault == "answers 503 Service Unavailable"


def test_an_unknown_place_is_not_said_to_answer(settings: Settings) -> None:
    assert ask_repository("gs://bucket/repo", settings).unasked == "what is at gs:// is not asked"
