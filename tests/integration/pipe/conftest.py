"""A repository of three exposures on two detectors, for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pipe_site import make_site
from underbutler.butlers import Repositories


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repositories]:
    """Return the repositories; the label is ``tiny``."""
    with make_site(tmp_path_factory.mktemp("site")) as repositories:
        yield repositories
