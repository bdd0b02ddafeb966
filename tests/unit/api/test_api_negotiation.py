"""A client gets the form that it likes best, and is told which there are when it takes none."""

from __future__ import annotations

import pytest

from underbutler.api.error_responses import NotAcceptableError
from underbutler.api.negotiation import chosen

FORMS = ("application/x-ndjson", "application/msgpack")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "application/x-ndjson"),
        ("", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("application/msgpack", "application/msgpack"),
        ("application/x-msgpack", "application/msgpack"),
        ("Application/MsgPack; q=0.5", "application/msgpack"),
        ("application/x-ndjson;q=0.4, application/msgpack;q=0.9", "application/msgpack"),
        ("application/*, application/msgpack;q=0", "application/x-ndjson"),
        ("text/html, */*;q=0.1", "application/x-ndjson"),
        ("*/*;q=0.1, application/msgpack;q=0.2", "application/msgpack"),
    ],
)
def test_the_form_is_the_one_that_the_client_likes_best(accept: str | None, form: str) -> None:
    assert chosen(accept, FORMS) == form


@pytest.mark.parametrize("accept", ["text/html", "application/msgpack;q=0", "application/msgpack;q=much", "*/*;q=0"])
def test_a_client_that_takes_none_is_told_which_there_are(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match="application/x-ndjson or application/msgpack") as caught:
        chosen(accept, FORMS)
    assert caught.value.fields["cure"] == "Send Accept: application/x-ndjson."
