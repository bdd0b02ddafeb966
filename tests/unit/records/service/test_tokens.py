"""An access token is kept encrypted, comes back under its handle, and not after its end."""

from __future__ import annotations

import base64
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import Engine, text, update

from tests.support.records.tokens import (  # noqa: F401 - fixtures
    SECRET,
    fresh,
    no_secret_is_left_over,
    token_engine,
    token_store,
)
from underbutler import redaction
from underbutler.butlers.repositories import Repositories, delegated
from underbutler.context import ServiceContext
from underbutler.errors import TokenExpiredError, UsageError
from underbutler.records import JobStore
from underbutler.records.tables.service import Token
from underbutler.redaction import redacted_text
from underbutler.settings import Settings
from underbutler.sql import database_now, read, write
from underbutler.submission.tokens import DEFAULT_LIFETIME_S, KEY_FILE, TokenVault, read_token


def jwt(**claims: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def test_a_token_comes_back_by_handle_and_no_column_holds_it(
    jobs: JobStore, engine: Engine, settings: Settings
) -> None:
    vault = TokenVault(jobs, settings)
    handle = vault.keep(fresh(), "ann")
    assert SECRET not in handle
    assert TokenVault(JobStore(engine), settings).redeem(handle) == SECRET
    with read(engine) as connection:
        (row,) = connection.execute(text("SELECT * FROM token")).all()
    assert SECRET not in str(row)
    assert SECRET.encode() not in bytes(row.ciphertext)
    assert row.user == "ann"
    assert SECRET not in (settings.home / KEY_FILE).read_text()


def test_a_worker_redeems_it_and_shows_it_no_more(jobs: JobStore, settings: Settings) -> None:
    handle = TokenVault(jobs, settings).keep(fresh(), "ann")
    redaction.forget_all()  # another process
    with ServiceContext(settings) as context:
        assert context.token(None) is None
        assert context.token(handle) == SECRET
    assert redacted_text(f"Bearer {SECRET}") == "Bearer ***"


def test_an_expired_or_unknown_token_is_refused_with_the_cure(
    jobs: JobStore, engine: Engine, settings: Settings
) -> None:
    handle = TokenVault(jobs, settings).keep(fresh(lifetime_s=60), "ann")
    with write(engine) as connection:
        connection.execute(update(Token).values(expires_at=database_now() - 1))
    later = TokenVault(jobs, settings)
    with pytest.raises(TokenExpiredError, match=r"expired at .* UTC.*Submit again") as caught:
        later.redeem(handle)
    assert isinstance(caught.value, UsageError)
    assert SECRET not in str(caught.value)
    with pytest.raises(TokenExpiredError, match="not known any more"):
        later.redeem("no-such-handle")


def test_another_key_cannot_read_it_and_says_so(jobs: JobStore, settings: Settings, tmp_path: Path) -> None:
    handle = TokenVault(jobs, settings).keep(fresh(), "ann")
    other = settings.model_copy(update={"token_key": SecretStr(Fernet.generate_key().decode())})
    with pytest.raises(TokenExpiredError, match="under a key that this worker has not"):
        TokenVault(jobs, other).redeem(handle)
    elsewhere = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    with pytest.raises(TokenExpiredError, match="there is no key in"):
        TokenVault(jobs, elsewhere).redeem(handle)
    assert not (tmp_path / "elsewhere").exists(), "redeeming makes no key"


def test_what_was_kept_under_another_handle_is_refused(jobs: JobStore, engine: Engine, settings: Settings) -> None:
    """Whoever can write the table cannot give a job the token of another."""
    vault = TokenVault(jobs, settings)
    mine, theirs = vault.keep(read_token("token-of-bob-9876543210"), "bob"), vault.keep(fresh(), "ann")
    with write(engine) as connection:
        stolen = connection.execute(text("SELECT ciphertext FROM token WHERE handle = :h"), {"h": theirs}).scalar_one()
        connection.execute(update(Token).where(Token.handle == mine).values(ciphertext=stolen))
    with pytest.raises(TokenExpiredError):
        vault.redeem(mine)


def test_keys_can_be_changed_while_tokens_are_kept(jobs: JobStore, settings: Settings) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))

    def vault(keys: str) -> TokenVault:
        return TokenVault(jobs, settings.model_copy(update={"token_key": SecretStr(keys)}))

    before = vault(old).keep(fresh(), "ann")
    after = vault(f"{new}, {old}").keep(fresh(), "ann")
    assert vault(f"{new},{old}").redeem(before) == SECRET
    assert vault(new).redeem(after) == SECRET
    assert not (settings.home / KEY_FILE).exists(), "a key that is given needs no file"


@pytest.mark.parametrize("key", ["not-a-key", " , ", "c2hvcnQ="])
def test_a_malformed_key_is_refused_with_how_to_make_one(jobs: JobStore, settings: Settings, key: str) -> None:
    vault = TokenVault(jobs, settings.model_copy(update={"token_key": SecretStr(key)}))
    with pytest.raises(UsageError, match="generate_key"):
        vault.keep(fresh(), "ann")


def test_a_tokens_own_end_and_the_asked_lifetime_both_count() -> None:
    now = 1_000_000.0
    assert read_token(SECRET, now_s=now).expires_at == now + DEFAULT_LIFETIME_S
    assert read_token(SECRET, lifetime_s=60, now_s=now).expires_at == now + 60
    assert read_token(jwt(exp=now + 600), now_s=now).expires_at == now + 600
    assert read_token(jwt(exp=now + 600), lifetime_s=60, now_s=now).expires_at == now + 60
    assert read_token(jwt(exp=now + 60), lifetime_s=600, now_s=now).expires_at == now + 60
    assert read_token(jwt(sub="ann"), now_s=now).expires_at == now + DEFAULT_LIFETIME_S
    assert read_token("three.parts.thatarenojwt", now_s=now).expires_at == now + DEFAULT_LIFETIME_S
    assert read_token(jwt(exp=True), now_s=now).expires_at == now + DEFAULT_LIFETIME_S


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (jwt(exp=999_000.0), "expired at 1970-01-12"),
        ("", "not an access token"),
        ("short", "not an access token"),
        ("two words of a sentence", "not an access token"),
        ("line-one\nline-two", "not an access token"),
        ("schlüssel-des-butlers", "not an access token"),
    ],
)
def test_a_wrong_or_expired_token_is_refused_without_showing_it(words: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        read_token(words, now_s=1_000_000.0)
    assert not words or words not in str(caught.value)


def test_a_token_shows_itself_in_no_repr() -> None:
    assert SECRET not in repr(fresh())
    assert read_token(f"  {SECRET}\n").secret == SECRET


class _Factory:
    """Notes with which token a butler is asked for."""

    def __init__(self) -> None:
        self.tokens: list[str | None] = []

    def create_butler(self, label: str, *, access_token: str | None) -> Any:
        self.tokens.append(access_token)
        return io.BytesIO()


def test_a_submitters_token_opens_what_it_may_and_no_more_after(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = _Factory()
    monkeypatch.setattr(Repositories, "uri", lambda *_: "file:///nowhere")
    monkeypatch.setattr(Repositories, "_factory", lambda *_: factory)
    repositories = Repositories(settings)

    def opened(**options: Any) -> None:
        with repositories.butler("remote", **options):
            pass

    with delegated(SECRET):
        opened()
        opened(access_token="another-token")
        elsewhere = threading.Thread(target=opened)
        elsewhere.start()
        elsewhere.join()
    opened()
    assert factory.tokens == [SECRET, "another-token", None, None], "neither another thread nor a later call has it"
