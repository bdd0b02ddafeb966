"""The programs of the image: what looks at passwords before anything starts, what says what is installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


CHECK = ROOT / "deploy" / "check_secrets.py"


GOOD = "8d1c7f0a55b94bd18d0c"


def refused(**environment: str) -> tuple[int, str]:
    """Run the check on these passwords."""
    done = subprocess.run(
        [sys.executable, "-I", CHECK], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("bind", "secret", "words"),
    [
        ("0.0.0.0", "example-redis-password", "A is that of .env.example, and ports are published at 0.0.0.0"),
        ("::", "example-redis-password", "published at ::"),
        ("192.0.2.7", "example-redis-password", "published at 192.0.2.7"),
        ("localhost.example.org", "example-redis-password", "published at localhost.example.org"),
        ("", "example-redis-password", "is that of .env.example"),
        ("0.0.0.0", "short", "less than 16 characters"),
        ("127.0.0.1", "", "A is empty"),
        ("127.0.0.1", "with/slash@and:colon", "do not stand in a URL"),
    ],
)
def test_a_known_password_is_refused_where_others_could_try_it(bind: str, secret: str, words: str) -> None:
    code, said = refused(BIND=bind, SECRETS="A B", A=secret, B=GOOD)
    assert code == 2
    assert words in said
    assert "openssl rand" in said
    assert "B " not in said


@pytest.mark.parametrize(
    ("bind", "secret"),
    [("127.0.0.1", "example-redis-password"), ("[::1]", "example-redis-password"), ("0.0.0.0", GOOD)],
)
def test_a_password_that_is_secret_or_out_of_reach_passes(bind: str, secret: str) -> None:
    assert refused(BIND=bind, SECRETS="A", A=secret) == (0, "")


def test_the_image_installs_its_extras_and_names_unknown_ones() -> None:
    script, project_file = ROOT / "deploy" / "image" / "requirements.py", ROOT / "pyproject.toml"
    client_file = ROOT / "client" / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, script, project_file, "postgres,of-tomorrow", client_file],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    project = tomllib.loads(project_file.read_text())["project"]
    client = tomllib.loads(client_file.read_text())["project"]
    own = [one for one in project["dependencies"] if one != client["name"]]
    assert done.stdout.splitlines() == [*own, *project["optional-dependencies"]["postgres"], *client["dependencies"]]
    assert "of-tomorrow" in done.stderr
