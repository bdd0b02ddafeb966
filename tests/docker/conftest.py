"""Fixtures of what runs in containers: the daemon, our image, the services' images.

Without a daemon the tests skip on a laptop and fail under ``CI=true``. `.ci/docker` runs them with an engine of its
own, and stand-ins for the images of other people's services where no registry can be reached.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import docker
import pytest
import pytest_docker_tools.wrappers.container

from tests.support.containers.images import IMAGE, built
from tests.support.services import missing

# It takes a stray /.dockerenv for the proof that it runs in a container, and then joins the wrong ports.
pytest_docker_tools.wrappers.container.tests_inside_container = lambda: False


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
def docker_client(daemon: None) -> docker.DockerClient:
    """Return the client that makes containers: the plugin's own fails where no daemon answers."""
    return docker.from_env()


@pytest.fixture(scope="session")
def image(daemon: None) -> str:
    """Build our image, and return its name."""
    return built(IMAGE)
