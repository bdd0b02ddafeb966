"""Options of ``underbutler submit`` beside those of the task's parser."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from underbutler.cli.submit_command import submit


@pytest.mark.parametrize("word", ["night", "=20260101"])
def test_a_tag_has_a_name_and_a_text(word: str) -> None:
    said = CliRunner().invoke(submit, ["processCcd", "demo", "--tag", "a=b=c", "--tag", word])
    assert said.exit_code == 2
    assert f"{word!r} should be NAME=TEXT" in said.output
