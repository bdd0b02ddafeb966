"""Fixtures of what runs in containers: the daemon, our image, the services' images.

Without a daemon the tests skip on a laptop and fail under ``CI=true``. `.ci/docker` runs them with an engine of its
own, and stand-ins for the images of other people's services where no registry can be reached.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from services import missing

ROOT = Path(__file__).parents[2]
STANDINS = os.environ.get("UNDERBUTLER_STANDINS") == "yes"
"""Whether images of others are stand-ins; read before the tests' environment is cleaned."""
IMAGE = "underbutler:test"
UID = os.getuid() or 10001
"""Whom our containers run as: whoever runs the tests, and nobody's number if that is root."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("docker")


@pytest.fixture(scope="session")
def daemon() -> None:
    """Ask for a Docker daemon."""
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        missing("Docker", f"install Docker Engine with compose ({error})")
    if asked.returncode:
        missing("A Docker daemon that answers", f"start it, or run .ci/docker ({asked.stderr.strip()})")


@pytest.fixture(scope="session")
def image(daemon: None) -> str:
    """Build our image, and return its name."""
    words = ["docker", "build", "--quiet", "--tag", IMAGE, "--build-arg", f"UID={UID}", str(ROOT)]
    built = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    if built.returncode:
        pytest.fail(f"the image does not build:\n{built.stderr[-3000:]}")
    return IMAGE
