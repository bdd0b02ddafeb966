"""The images that the tests run: ours, which they build, and those of other people's services."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STANDINS = os.environ.get("UNDERBUTLER_STANDINS") == "yes"
"""Whether images of others are stand-ins; read before the tests' environment is cleaned."""
IMAGE = "underbutler:test"
S3_IMAGE = "underbutler-standin/s3" if STANDINS else "versity/versitygw:v1.0.18"
S3_KEY = "test:tester" if STANDINS else "underbutler"  # Swift's keys are ACCOUNT:USER
UID = os.getuid() or 10001
"""Whom our containers run as: whoever runs the tests, and nobody's number if that is root."""


def built(tag: str, dockerfile: str | None = None) -> str:
    """Build an image, ours or one of a text, and return its name."""
    words = ["docker", "build", "--quiet", "--tag", tag, "--build-arg", f"UID={UID}"]
    words += [str(ROOT)] if dockerfile is None else ["-"]
    given = None if dockerfile is None else textwrap.dedent(dockerfile)
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.fail(f"the image {tag} does not build:\n{done.stderr[-3000:]}")
    return tag
