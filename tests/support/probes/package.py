"""Tasks of this room as distributions of their own, as the packages of other people are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROBES = Path(__file__).parent


def install(folder: Path, module: str, tasks: Mapping[str, str], *, broken: str | None = None) -> None:
    """Install a module of this room as a distribution of its own, found by its entry points.

    Parameters
    ----------
    folder
        Of ``sys.path`` or ``PYTHONPATH``.
    module
        Its name here, and there.
    tasks
        Name of each task, and its class.
    broken
        Name of a task whose module does not exist.
    """
    (folder / f"{module}.py").write_text((PROBES / f"{module}.py").read_text())
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    lines = [f"{name} = {module}:{kind}" for name, kind in tasks.items()]
    lines += [] if broken is None else [f"{broken} = {module}_that_do_not_exist:Task"]
    (info / "entry_points.txt").write_text("[underbutler.tasks]\n" + "\n".join(lines) + "\n")


def install_probes(folder: Path) -> None:
    """Install the probes of the acceptance tests."""
    names = {
        "probeArray": "ArrayTask",
        "probeDie": "DieTask",
        "probeDieOnce": "DieOnceTask",
        "probeDieUntil": "DieUntilTask",
        "probeEmpty": "EmptyTask",
        "probeFail": "FailTask",
        "probeRaise": "RaiseTask",
        "probeHoard": "HoardTask",
        "probeHuge": "HugeTask",
        "probeLinger": "LingerTask",
        "probeNoWork": "NoWorkTask",
        "probePixels": "PixelsTask",
        "probeSlow": "SlowTask",
        "probeStatus": "StatusTask",
        "probeTalk": "TalkTask",
        "probeUndeclared": "UndeclaredTask",
        "probeWrite": "WriteTask",
    }
    install(folder, "probe_tasks", names, broken="probeBroken")
