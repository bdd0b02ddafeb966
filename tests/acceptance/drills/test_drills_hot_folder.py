"""A drill in which the watcher of a hot folder is killed again and again, while a slow camera writes."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.support.drills.site import DrillSite
from tests.support.drills.table import Scale, Table
from tests.support.hot_folder import SlowWriter
from tests.support.services import eventually
from underbutler.butlers import create_repository
from underbutler.hot_folder.submitting import TAG
from underbutler.testing.night import simulate_night

PROGRAM = Path(sys.executable).parent / "underbutler"
LABEL = "hot"


def test_a_watcher_is_killed_while_frames_come_in(site: DrillSite, scale: Scale, table: Table, tmp_path: Path) -> None:
    """Every frame is one exposure and has one calexp, whenever the watcher died."""
    frames, kills = (200, 5) if scale.full else (8, 2)
    night = simulate_night(tmp_path / "camera", n_bias=0, n_flat=0, n_science=frames, shape=(96, 96), detectors=(0,))
    folder = tmp_path / "in"
    folder.mkdir()
    create_repository(tmp_path / "repo", LABEL, site.settings)
    site.only(1)
    command = [str(PROGRAM), "--home", str(site.home), "ingest", LABEL, "--watch", str(folder), "--still", "0.3"]
    command += ["--then", "processCcd", "-c", "doBias=false", "doFlat=false", "--no-versions"]

    def exposures() -> set[int]:
        with site.context.repositories.butler(LABEL) as butler:
            known = butler.query_dimension_records("instrument", explain=False)
            if not any(one.name == "SIMCAM" for one in known):
                return set()
            found = butler.query_dimension_records("exposure", explain=False, instrument="SIMCAM")
            return {record.id for record in found}

    def calexps() -> Counter[int]:
        with site.context.repositories.butler(LABEL) as butler:
            runs = butler.collections.query("u/driller/processCcd/*")
            if not runs or not list(butler.registry.queryDatasetTypes("calexp")):
                return Counter()
            refs = butler.query_datasets("calexp", runs, explain=False, find_first=False)
            return Counter(int(ref.dataId["exposure"]) for ref in refs)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, env=site.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    with SlowWriter(night.files, folder, pieces=4, pause_s=0.15 if scale.full else 0.3):
        for number in itertools.count(1):
            watcher = start()
            if number > kills:
                break
            goal = frames * number // (kills + 1)
            eventually(
                lambda goal=goal, its=watcher: its.poll() is not None or len(exposures()) >= goal,
                300,
                f"{goal} exposures",
            )
            assert watcher.poll() is None, watcher.communicate()[0]
            watcher.kill()
            watcher.communicate()
    at = time.time()
    eventually(lambda: sum(calexps().values()) >= frames, 600, f"{frames} calexps")
    watcher.send_signal(signal.SIGINT)
    said, _ = watcher.communicate(timeout=60)
    jobs = [job for job in site.context.jobs.read.jobs(limit=None) if TAG in (job.request or {}).get("tags", {})]
    facts = site.facts(*jobs)
    table.ours("hot folder", f"its watcher, {kills} times", facts, seconds=time.time() - at, until="all calexps")
    assert watcher.returncode == 0, said
    assert "Stopped. " in said
    assert exposures() == {frame.exposure for frame in night.frames}
    assert calexps() == {frame.exposure: 1 for frame in night.frames}
    assert (facts.lost, facts.doubled, facts.held) == (0, 0, frozenset()), facts.said
    assert facts.states == {"done": frames}
