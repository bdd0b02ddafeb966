"""What is secret in a process is shown nowhere: texts, values, errors with their causes, log lines."""

from __future__ import annotations

import io
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underbutler import redaction
from underbutler.errors import UnknownNameError, UsageError
from underbutler.redaction import BLOT, hide, redacted, redacted_error, redacted_text
from underbutler.settings import load_settings
from underbutler.telemetry import logs

TOKEN = "tok-0123456789abcdef"  # no real one


@pytest.fixture(autouse=True)
def _no_secret_is_left_over() -> Iterator[None]:
    redaction.forget_all()
    yield
    redaction.forget_all()


secrets = st.text(st.characters(codec="utf-8"), min_size=8, max_size=30)


@given(secrets, st.text(max_size=20), st.text(max_size=20))
def test_no_spelling_of_a_secret_is_left_in_a_text(secret: str, before: str, after: str) -> None:
    redaction.forget_all()
    hide(secret)
    for spelled in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe="")):
        shown = redacted_text(f"{before}{spelled}{after}")
        assert shown.count(BLOT) >= 1
        assert redacted_text(spelled) == BLOT


def test_a_short_word_is_no_secret_and_a_longer_one_is_hidden() -> None:
    hide("reduce", "abcdefgh", "abcdefgh-longer", None)
    assert redacted_text("reduce abcdefgh-longer") == f"reduce {BLOT}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at redis://:hunter2@host:6379/0 now", "at redis://:***@host:6379/0 now"),
        ("'amqp://guest:guest@host//'", "'amqp://guest:***@host//'"),
        ("postgresql+psycopg://ann:p%40ss@h/db", "postgresql+psycopg://ann:***@h/db"),
        ("redis://host:6379/0 mail@example.org", "redis://host:6379/0 mail@example.org"),
    ],
)
def test_a_password_in_a_url_is_hidden_even_if_nobody_told_it(text: str, shown: str) -> None:
    assert redacted_text(text) == shown


def test_values_keep_their_shape_and_their_other_contents() -> None:
    hide(TOKEN)
    value = {"a": [1, 2.5, None, f"x{TOKEN}"], TOKEN: (TOKEN, b"raw " + TOKEN.encode()), "ok": {"deep": True}}
    assert redacted(value) == {"a": [1, 2.5, None, "x***"], BLOT: (BLOT, b"raw ***"), "ok": {"deep": True}}
    binary = b"\xff\x00\x80"
    assert redacted(binary) is binary


def test_an_error_without_a_secret_stays_the_same_object() -> None:
    hide(TOKEN)
    error = ValueError("nothing here")
    assert redacted_error(error) is error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"the server refused {TOKEN}", {"header": [TOKEN]}),
        FileNotFoundError(2, "no file", f"/data/{TOKEN}"),
        UsageError(f"not {TOKEN}", token=TOKEN),
        UnknownNameError.of("thing", TOKEN, ["a"]),
        UnicodeDecodeError("utf-8", TOKEN.encode(), 0, 1, "bad"),
        ExceptionGroup("several", [ValueError(TOKEN)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_keeps_its_type_and_loses_the_secret(error: BaseException) -> None:
    hide(TOKEN)
    clean = redacted_error(error)
    assert type(clean) is type(error)
    assert BLOT in repr(clean) + str(clean)
    assert TOKEN not in repr(clean) + str(clean) + repr(clean.__dict__)
    assert TOKEN.encode() not in pickle.dumps(clean)


class Stubborn(RuntimeError):
    """Cannot be made again from its args, and says its secret in a way of its own."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__("stubborn")
        self.words = (one, two)

    def __str__(self) -> str:
        return "-".join(self.words)


def test_an_error_that_cannot_be_made_again_keeps_its_name() -> None:
    hide(TOKEN)
    clean = redacted_error(Stubborn("a", TOKEN))
    assert type(clean).__name__ == "Stubborn"
    assert str(clean) == "a-***"


def test_causes_notes_and_local_variables_show_it_no_more() -> None:
    hide(TOKEN)

    def ask(token: str) -> None:
        try:
            raise KeyError(token)
        except KeyError as error:
            error.add_note(f"asked with {token}")
            raise ConnectionError("no answer") from error

    with pytest.raises(ConnectionError) as caught:
        ask(TOKEN)
    clean = redacted_error(caught.value)
    assert clean is caught.value, "it says no secret itself"
    assert TOKEN not in "".join(traceback.format_exception(clean))
    assert "asked with ***" in "".join(traceback.format_exception(clean))
    for error in (clean, clean.__cause__):
        assert error is not None
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "ask"]
        assert frames
        assert all(TOKEN not in repr(frame.f_locals) for frame in frames)


def test_causes_that_go_round_in_a_circle_come_to_an_end() -> None:
    hide(TOKEN)
    one, two = ValueError(TOKEN), KeyError(TOKEN)
    one.__context__, two.__context__ = two, one
    clean = redacted_error(one)
    assert clean.__context__ is not None
    assert clean.__context__.__context__ is clean
    assert str(clean) == BLOT


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_line_shows_it_whoever_writes(form: str) -> None:
    hide(TOKEN, 'pa"ss\\word')
    logs.configure("DEBUG")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter(form))  # type: ignore[arg-type]
    logging.getLogger().addHandler(handler)
    try:
        with logs.bound(token=TOKEN):
            logs.get_logger("ours").info("asked", header={"Authorization": f"Bearer {TOKEN}"}, other='pa"ss\\word')
            logging.getLogger("theirs").warning("sent %s and %r", TOKEN, {"k": TOKEN})
            try:
                raise ValueError(TOKEN)
            except ValueError:
                logging.getLogger("theirs").exception("it failed")
                logs.get_logger("ours").exception("failed")
    finally:
        logging.getLogger().removeHandler(handler)
    lines = written.getvalue()
    assert TOKEN not in lines
    assert "ss\\" not in lines
    assert lines.count("ValueError") >= 2
    assert "Bearer ***" in lines


def test_what_the_settings_hold_is_hidden_by_reading_them(tmp_path: Path) -> None:
    load_settings(
        home=tmp_path,
        broker_url="redis://:bro%2Fker-pass@h/0",
        database_url="postgresql://ann:database-pass@h/db",
        s3_secret_access_key="the-s3-secret",
        token_key="first-key-of-two,second-key-of-two",
    )
    said = "bro/ker-pass bro%2Fker-pass database-pass the-s3-secret first-key-of-two second-key-of-two"
    assert redacted_text(said) == " ".join([BLOT] * 6)


def test_a_password_that_is_its_users_name_is_no_secret(tmp_path: Path) -> None:
    load_settings(
        home=tmp_path,
        database_url="postgresql://postgres:postgres@h/db",
        s3_access_key_id="minioadmin",
        s3_secret_access_key="minioadmin",
    )
    assert redacted_text("postgresql of minioadmin") == "postgresql of minioadmin"
    assert redacted_text("postgresql://postgres:postgres@h/db") == "postgresql://postgres:***@h/db"


def test_configured_secrets_are_never_forgotten_old_tokens_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "KEPT", 30)
    hide("configured-secret", always=True)
    for number in range(redaction.KEPT + 1):
        hide(f"token-number-{number:05d}")
    assert redacted_text("configured-secret") == BLOT
    assert redacted_text("token-number-00000") == "token-number-00000"
    assert redacted_text(f"token-number-{redaction.KEPT:05d}") == BLOT
