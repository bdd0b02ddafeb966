"""Small repositories: a camera with two detectors, frames of a few pixels."""

from tests.support.butlers import *  # noqa: F403 - its fixtures
