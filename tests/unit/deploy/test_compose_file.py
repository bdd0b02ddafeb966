"""docker-compose.yml, .env.example and Dockerfile agree, and what guards them says no; without Docker."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHECK = ROOT / "deploy" / "check_secrets.py"
GOOD = "8d1c7f0a55b94bd18d0c"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_setting_of_the_compose_file_is_in_the_example_or_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line)
    assert asked <= set(example)
    assert not re.findall(r"(?<!\$)\$\{\w+\}", text), "one without a default and without a reason"


def test_every_password_of_the_example_is_looked_at_before_anything_starts(services: dict[str, dict[str, Any]]) -> None:
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"[A-Z]", line)
    )
    secrets = {name for name, value in example.items() if value.startswith("example-")}
    check = services["check"]["environment"]
    assert secrets - {"GRAFANA_PASSWORD"} == set(check["SECRETS"].split()), "Grafana is never published outside"
    assert set(check["SECRETS"].split()) <= set(check)
    for name, service in services.items():
        if name != "check":
            waits_for = set(service.get("depends_on", {}))
            assert waits_for, f"{name} starts before the check"
            if service.get("ports") and "BIND" in str(service["ports"]):
                assert "check" in waits_for, name


def test_every_service_is_pinned_watched_and_without_rights(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        image = re.sub(r"\$\{\w+:-(.*)\}", r"\1", service["image"])
        assert re.search(r":v?\d", image), f"{name}: {image}"
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["user"], name
        if service["restart"] != "no":
            assert service["healthcheck"], name
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${UNDERBUTLER_BIND:-127.0.0.1}:")), f"{name}: {port}"
    assert [name for name, service in services.items() if "build" in service] == ["check"], "one image, built once"


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
def test_a_password_that_anybody_knows_is_refused_where_others_could_try_it(bind: str, secret: str, words: str) -> None:
    code, said = refused(BIND=bind, SECRETS="A B", A=secret, B=GOOD)
    assert code == 2
    assert words in said
    assert "openssl rand" in said
    assert "B " not in said


@pytest.mark.parametrize(
    ("bind", "secret"),
    [("127.0.0.1", "example-redis-password"), ("[::1]", "example-redis-password"), ("0.0.0.0", GOOD)],
)
def test_a_password_that_others_cannot_try_or_do_not_know_passes(bind: str, secret: str) -> None:
    assert refused(BIND=bind, SECRETS="A", A=secret) == (0, "")


def test_the_image_installs_what_the_project_asks_for_and_says_which_extra_it_does_not_know() -> None:
    script, project_file = ROOT / "deploy" / "image" / "requirements.py", ROOT / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, script, project_file, "postgres,of-tomorrow"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    project = tomllib.loads(project_file.read_text())["project"]
    assert done.stdout.splitlines() == [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    assert "of-tomorrow" in done.stderr


def test_the_builder_gets_nothing_that_the_dockerfile_does_not_copy() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert {source.removesuffix("/requirements.py") for source in sources} == kept
