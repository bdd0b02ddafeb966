"""docker-compose.yml, .env.example and Dockerfile agree, and what guards them says no; without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_every_compose_setting_is_in_the_example_or_defaulted() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line)
    assert asked <= set(example)
    assert not re.findall(r"(?<!\$)\$\{\w+\}", text), "one without a default and without a reason"


def test_every_example_password_is_checked_before_the_start(services: dict[str, dict[str, Any]]) -> None:
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


def test_the_builder_gets_only_what_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    parts = {source for source in sources if any(source.startswith(f"{other}/") for other in sources)}
    assert {source.removesuffix("/requirements.py") for source in sources - parts} == kept
