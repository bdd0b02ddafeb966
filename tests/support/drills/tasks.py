"""The tasks of the drills, as another package has them."""

from __future__ import annotations

from pathlib import Path

from tests.support.probes.package import install


def install_tasks(folder: Path) -> None:
    """Install the drills' tasks as a distribution of their own, found by its entry points."""
    names = {
        "drillDie": "DieTask",
        "drillEmpty": "EmptyTask",
        "drillLimited": "LimitedTask",
        "drillWrite": "WriteTask",
    }
    install(folder, "drill_tasks", names)
