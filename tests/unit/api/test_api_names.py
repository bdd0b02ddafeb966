"""The server's side is there for who installed it, and costs nothing to who did not ask for it."""

from __future__ import annotations

import subprocess
import sys

import underbutler.api


def test_importing_the_room_loads_no_web_framework() -> None:
    code = "import sys, underbutler.api; print(sorted({'starlette', 'httpx', 'uvicorn', 'dask'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_reading_a_run_where_it_is_loads_no_http() -> None:
    code = "import sys; from underbutler.catalog import BlueskyRun, RemoteBlueskyRun; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    for name in underbutler.api.__all__:
        assert type(getattr(underbutler.api, name)).__name__ != "module", name
