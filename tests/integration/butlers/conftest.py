"""Small repositories: a camera with two detectors, frames of a few pixels."""

from tests.support.butlers import (
    camera,
    empty_repository,
    repositories,
    settings,
    stocked,
    stocked_repository,
    write_frame,
)

__all__ = [
    "camera",
    "empty_repository",
    "repositories",
    "settings",
    "stocked",
    "stocked_repository",
    "write_frame",
]
