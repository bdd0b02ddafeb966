"""The probes of the acceptance tests as a distribution of their own, found by its entry points."""

from __future__ import annotations

from pathlib import Path

PROBES = Path(__file__).parent / "acceptance" / "probes"


def install_probes(folder: Path) -> None:
    """Install the probes as a distribution of their own, found by its entry points."""
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
    (folder / "probe_tasks.py").write_text((PROBES / "probe_tasks.py").read_text())
    info = folder / "probes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probes\nVersion: 1.0\n")
    lines = [f"{name} = probe_tasks:{kind}" for name, kind in names.items()]
    lines.append("probeBroken = probe_tasks_that_do_not_exist:Task")
    (info / "entry_points.txt").write_text("[underbutler.tasks]\n" + "\n".join(lines) + "\n")
