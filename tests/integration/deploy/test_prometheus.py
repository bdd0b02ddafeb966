"""Prometheus' own tool reads what is shipped for it."""

from __future__ import annotations

import shutil
import subprocess

from tests.support.promql import DEPLOY
from tests.support.services import missing


def test_prometheus_itself_takes_configuration_and_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "apt-get install prometheus")
    config = DEPLOY / "prometheus" / "prometheus.yml"
    done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
