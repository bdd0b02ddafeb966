"""docker-compose.yml as its user has it: a file of settings, `docker compose`, and a shell on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from underbutler.embedded.process import free_port

ROOT = Path(__file__).parents[3]
STANDIN_FILE = ROOT / "tests" / "docker" / "compose.standins.yml"
PORTS = (
    "REDIS_PORT",
    "POSTGRES_PORT",
    "S3_PORT",
    "FLOWER_PORT",
    "API_PORT",
    "SUBMIT_PORT",
    "PROMETHEUS_PORT",
    "GRAFANA_PORT",
)


class ComposeStack:
    """One project of `docker compose`, with the example's settings and ports that are free.

    Parameters
    ----------
    project
        Its name: two suites run side by side.
    folder
        Holds its settings.
    standins
        Lay the file over it that names stand-ins.
    changes
        Settings that differ from those of the example.
    """

    def __init__(self, project: str, folder: Path, *, standins: bool, changes: Mapping[str, object]) -> None:
        self.project = project
        self.env_file = folder / f"{project}.env"
        given = {name: free_port() for name in PORTS} | dict(changes)
        lines = (ROOT / ".env.example").read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in given]
        # The example's last part reads the variables before it.
        self.env_file.write_text("\n".join([*(f"{name}={value}" for name, value in given.items()), *kept]) + "\n")
        files = [ROOT / "docker-compose.yml", *([STANDIN_FILE] if standins else [])]
        self._words = ["docker", "compose", "--project-name", project, "--env-file", str(self.env_file)]
        self._words += [word for file in files for word in ("--file", str(file))]

    def __call__(self, *words: str, check: bool = True, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` with words."""
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done

    def cli(self, *words: str, mount: Path | None = None) -> str:
        """Run our command line in a container of its own, and return what it answered."""
        mounts = ["--volume", f"{mount}:{mount}:ro"] if mount else []
        return self("run", "--rm", "--no-TTY", "--no-deps", *mounts, "cli", *words).stdout

    def host(self, *words: str | Path) -> str:
        """Run a command on this host, with the settings as the example says, and return what it answered."""
        script = 'set -a; . "$0"; set +a; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, str(self.env_file), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            umask=0 if os.getuid() == 0 else -1,  # root makes folders here that the containers' user shall write to
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def underbutler(self, *words: str) -> str:
        """Run our command line on this host."""
        return self.host(Path(sys.executable).parent / "underbutler", *words)

    @property
    def settings(self) -> dict[str, str]:
        """The settings as a process on this host gets them."""
        pairs = self.host("env", "-0").rstrip("\0").split("\0")
        return dict(pair.split("=", 1) for pair in pairs)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what Docker knows of the project's containers, or of one service's."""
        ids = self("ps", "--all", "--quiet", *([service] if service else [])).stdout.split()
        return inspected("container", ids)

    def logs(self, service: str) -> str:
        """Return what a service has logged."""
        done = self("logs", "--no-color", service)
        return done.stdout + done.stderr


def inspected(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what Docker knows of containers, volumes or networks."""
    if not names:
        return []
    told = subprocess.run(["docker", kind, "inspect", *names], capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def left_of(project: str) -> list[str]:
    """Return the names of containers, volumes and networks of a project."""
    found = []
    for words in (["ps", "--all", "--format", "{{.Names}}"], ["volume", "ls"], ["network", "ls"]):
        listed = [*words, "--filter", f"label=com.docker.compose.project={project}"]
        listed += [] if words[0] == "ps" else ["--format", "{{.Name}}"]
        found += subprocess.run(["docker", *listed], capture_output=True, text=True, check=True).stdout.split()
    return found
