"""What a fresh interpreter loads and does not: importing the library costs nothing and has no effect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from underbutler.catalog.handlers.registry import discover_handlers

HANDLERS = [
    kind.__module__
    for spec, kind in discover_handlers("underbutler.handlers", skip_failures=False).items()
    if kind.__module__.startswith("underbutler.")
]

LIGHT = {
    "the library": (
        "import underbutler, underbutler.pipe, underbutler.butlers, underbutler.annex, underbutler.catalog",
        ("lsst", "boto3", "botocore", "celery", "kombu", "sqlalchemy", "astropy", "numpy", "moto"),
    ),
    "the server's side": ("import underbutler.api", ("starlette", "httpx", "uvicorn", "dask")),
    "a run where it is": ("from underbutler.catalog import BlueskyRun, RemoteBlueskyRun", ("httpx",)),
    "repositories": ("import underbutler.butlers", ("lsst.daf.butler", "astropy")),
    "handlers": (
        "; ".join(f"import {name}" for name in HANDLERS),
        ("lsst", "boto3", "botocore", "astropy", "pyarrow", "PIL", "dask"),
    ),
    "names of tasks": (
        "import underbutler.pipe as pipe; pipe.task_names()",
        ("lsst.daf.butler", "lsst.pipe.base", "astropy", "tasks"),
    ),
    "beat": ("import beat.celery, beat.scheduler", ("lsst", "astropy")),
    "a request": ("from underbutler.pipe.request import JobRequest", ("lsst", "astropy", "celery", "sqlalchemy")),
    "a bucket that is no mock": (
        "from underbutler.annex import AsyncS3Bucket, deliver, NoticePublisher; AsyncS3Bucket('abc')",
        ("moto",),
    ),
}
"""What is done, and which packages it does not load."""

TRACES_OFF = """
import os, sys
from underbutler.telemetry import tracing
assert not tracing.on()
with tracing.span("nothing", job="j"):
    assert tracing.traceparent() is None
tracing.record("nothing", start_s=0.0, end_s=1.0)
tracing.close()
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
tracing.on.cache_clear()
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
sys.modules["opentelemetry"] = None
assert not tracing.on()
del sys.modules["opentelemetry"]
off = {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
for name, value in off.items():
    os.environ[name] = value
    tracing.on.cache_clear()
    assert not tracing.on(), name
    del os.environ[name]
"""

NO_CLIENT = """
import sys
sys.modules['prometheus_client'] = None
import workers.keeper.process, workers.measuring, underbutler.records_collector, beat.measuring
from underbutler import metrics
from underbutler.settings import load_settings
settings = load_settings(metrics_port=1)
assert workers.measuring.start_counting(settings, 'worker') is None
metrics.CLAIMS.count(task='t', end='done')
assert not metrics.Exporter(settings).start()
beat.measuring._on_start()
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("what", LIGHT)
def test_importing_loads_nothing_heavy(what: str, tmp_path: Path) -> None:
    code, heavy = LIGHT[what]
    assert (
        run(f"import sys; {code}; print([name for name in {heavy} if name in sys.modules])", tmp_path).stdout == "[]\n"
    )


def test_dask_honours_the_token_even_if_it_is_imported_later(tmp_path: Path) -> None:
    code = (
        "from underbutler.catalog import Start\n"
        "from dask.base import tokenize\n"
        "print(tokenize(Start(uid='a', n=1)) == tokenize(Start(uid='a', n=2)))"
    )
    assert run(code, tmp_path).stdout == "True\n"


def test_traces_cost_nothing_unless_configured_and_installed(tmp_path: Path) -> None:
    done = run(TRACES_OFF, tmp_path)
    assert "pip install 'underbutler[tracing]'" in done.stderr
    assert "only http/protobuf" in done.stderr


def test_without_the_client_all_runs_and_nothing_is_counted(tmp_path: Path) -> None:
    done = run(NO_CLIENT, tmp_path)
    assert "pip install 'underbutler[monitoring]'" in done.stderr + done.stdout


def test_the_import_arrows_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
