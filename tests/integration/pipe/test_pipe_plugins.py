"""Tasks of other packages, tested with a real second distribution installed in a temporary environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.pipe_site import make_site

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "elsewhere-tasks"
version = "3.1"

[project.entry-points."underbutler.tasks"]
weighFrame = "elsewhere:WeighFrameTask"
needsMore = "elsewhere_broken:NeedsMoreTask"
noTask = "elsewhere:Scales"

[project.entry-points."underbutler.subtasks"]
kitchenScales = "elsewhere:KitchenScales"

[tool.hatch.build.targets.wheel]
only-include = ["elsewhere.py", "elsewhere_broken.py"]
"""

MODULE = '''
"""Tasks that Underbutler knows nothing of."""
import lsst.pex.config as pexConfig
from lsst.pipe.base import Task

from underbutler import CmdLineTask, DatasetSpec


class ScalesConfig(pexConfig.Config):
    grams = pexConfig.Field(dtype=float, default=1.0, doc="grams per count")


class Scales(Task):
    ConfigClass = ScalesConfig
    _DefaultName = "scales"

    def run(self, image):
        return float(image.sum()) * self.config.grams


class KitchenScales(Scales):
    def run(self, image):
        return round(super().run(image) / 1000)


class WeighFrameConfig(pexConfig.Config):
    scales = pexConfig.ConfigurableField(target=Scales, doc="what weighs")


class WeighFrameTask(CmdLineTask):
    """Weigh a frame."""

    ConfigClass = WeighFrameConfig
    _DefaultName = "weighFrame"
    datasetTypes = {"weight": DatasetSpec(("instrument", "exposure", "detector"), "StructuredDataDict")}

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.makeSubtask("scales")

    def runDataRef(self, dataRef):
        weight = self.scales.run(dataRef.get("raw").data)
        dataRef.put({"weight": weight}, "weight")
        return weight
'''


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the distribution into a folder of its own and return the folder."""
    source = tmp_path_factory.mktemp("elsewhere")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "elsewhere.py").write_text(MODULE)
    (source / "elsewhere_broken.py").write_text("import a_package_that_is_not_there\n")
    target = tmp_path_factory.mktemp("site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False)
    if done.returncode and "No module named" in done.stderr and not os.environ.get("CI"):
        pytest.skip(f"the build backend is not installed: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return target


def python(elsewhere: Path, code: str, *args: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(elsewhere)}
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_another_packages_task_is_found_a_broken_one_reported(elsewhere: Path) -> None:
    done = python(
        elsewhere,
        """
        import json
        from underbutler.pipe import known_tasks
        print(json.dumps({e.name: [e.value, e.error, e.distribution] for e in known_tasks()}))
        """,
    )
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert known["weighFrame"] == ["elsewhere:WeighFrameTask", None, "elsewhere-tasks 3.1"]
    assert "ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in known["needsMore"][1]
    assert "is not a subclass of underbutler.CmdLineTask" in known["noTask"][1]
    assert {"makeBias", "makeDark", "makeFlat", "processCcd"} <= known.keys()


def test_another_packages_task_runs_with_a_subtask_by_name(elsewhere: Path, tmp_path: Path) -> None:
    make_site(tmp_path).close()
    done = python(
        elsewhere,
        """
        import sys
        from underbutler.butlers import Repositories
        from underbutler.pipe import load_task
        from underbutler.settings import load_settings
        task = load_task("weighFrame")
        words = ["tiny", "--id", "exposure=1", "detector=0", "-c", "scales.target=kitchenScales", "scales.grams=2"]
        with Repositories(load_settings(home=sys.argv[1])) as repositories:
            struct = task.parseAndRun(words, repositories=repositories, doReturnResults=True)
        print([r.result for r in struct.resultList], struct.parsedCmd.overrides)
        print(struct.parsedCmd.config_json["scales"]["@target"])
        """,
        str(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "[5] [['scales.target', 'kitchenScales'], ['scales.grams', 2.0]]",  # 24 pixels of 100 counts of 2 g
        "elsewhere.KitchenScales",
    ]


def test_an_unknown_or_broken_name_says_what_to_do(elsewhere: Path) -> None:
    done = python(
        elsewhere,
        """
        from underbutler.errors import UsageError
        from underbutler.pipe import load_task
        for name in ("weighFame", "needsMore"):
            try:
                load_task(name)
            except UsageError as error:
                print(error)
        """,
    )
    unknown, broken, *frames = done.stdout.splitlines()
    assert unknown.startswith("No task is called 'weighFame'. Did you mean 'weighFrame'? Known: makeBias")
    assert broken.startswith("The task 'needsMore' does not load: elsewhere_broken:NeedsMoreTask: ModuleNotFoundError")
    assert "Install what elsewhere-tasks needs: the package that has " in broken
    assert any("elsewhere_broken.py" in frame for frame in frames), "the author's own line"
    assert not any("importlib" in frame for frame in frames)
