"""``stack.env`` tells another terminal where the stack is, whatever its values hold, and only to its owner."""

from __future__ import annotations

import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from underbutler.embedded.servers import find_redis
from underbutler.embedded.stack import environment_of, write_stack_file
from underbutler.errors import UsageError
from underbutler.settings import STACK_FILE, Settings, load_settings

PASSWORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


@given(PASSWORDS)
def test_any_secret_comes_back_from_the_file_as_it_went(secret: str) -> None:
    with TemporaryDirectory() as home:
        write_stack_file(Path(home) / STACK_FILE, {"UNDERBUTLER_S3_SECRET_ACCESS_KEY": secret})
        read = load_settings(home=home).s3_secret_access_key
        assert read is not None
        assert read.get_secret_value() == secret


def test_the_file_is_its_owners_even_where_an_open_one_was(tmp_path: Path) -> None:
    file = tmp_path / STACK_FILE
    file.write_text("UNDERBUTLER_QUEUE=old\n")
    file.chmod(0o644)
    write_stack_file(file, {"UNDERBUTLER_QUEUE": "new"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [STACK_FILE]
    assert load_settings(home=tmp_path).queue == "new"


def test_another_process_comes_to_the_same_settings(settings: Settings) -> None:
    ours = settings.model_copy(
        update={
            "broker_url": "redis://127.0.0.1:7000/3",
            "queue": "dome",
            "s3_endpoint_url": "http://127.0.0.1:9",
            "annex_layout": "salobj",
            "lease_s": 7.5,
            "sweep_interval_s": 0.5,
            "hard_limit_s": 90,
            "max_deaths": 2,
            "token_key": SecretStr("a key"),
        }
    )
    write_stack_file(ours.stack_file, environment_of(ours))
    theirs = load_settings(home=ours.home)
    assert theirs.records_url == ours.records_url
    assert theirs.index_uri == ours.index_uri
    unlike = {"database_url", "repository_index"}
    assert theirs.model_dump(exclude=unlike) == ours.model_dump(exclude=unlike)


def test_without_a_server_on_path_the_one_in_the_wheel_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_redis().name == "valkey-server"


def test_with_no_server_at_all_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("underbutler.embedded.servers.bundled_valkey", lambda: None)
    with pytest.raises(UsageError, match=r"pip install 'underbutler\[embedded\]'"):
        find_redis()
