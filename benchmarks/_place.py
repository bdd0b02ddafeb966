"""Where a benchmark runs: its own folder, settings that the environment cannot reach, the services of the tests."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from underbutler.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
OUTER = ("UNDERBUTLER_", "AWS_", "S3_", "CELERY_", "DAF_BUTLER_", "LSST_")


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder, removed after, and hide the settings of whoever runs this."""
    for name in list(os.environ):
        if name.startswith(OUTER):
            del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    with TemporaryDirectory(prefix="underbutler-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def settings_in(folder: Path) -> Settings:
    """Return default settings whose home is a folder of the benchmark."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return Settings(_env_file=None, home=home, user="bench")


def started(running: ExitStack, service: str, module: str, function: str) -> object | None:
    """Start a service of the tests, to be stopped with `running`; without its programs say so and return None.

    Parameters
    ----------
    running
        Stops it.
    service
        What people call it.
    module, function
        The context manager in ``tests/support/`` that runs it.
    """
    try:
        import pytest
    except ImportError:
        print(f"{service}: left out, the development packages are not installed (pip install -e '.[dev]')")
        return None
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    start = getattr(importlib.import_module(f"tests.support.{module}"), function)
    try:
        context: AbstractContextManager[object] = start()
        return running.enter_context(context)
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        print(f"{service}: left out, {reason}")
        return None
