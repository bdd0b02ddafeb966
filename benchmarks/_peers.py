"""Other libraries, each in an environment of its own and in a process that answers requests."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".bench"
INSTALLED = "installed.txt"

DATABROKER = ("databroker==1.2.5", "suitcase-msgpack==0.3.0", "suitcase-jsonl==0.2.2")
TILED = ("tiled[all]", "bluesky-tiled-plugins")


class Peer:
    """A process of another library.

    Parameters
    ----------
    process
        Reads a request per line, and answers each by one.
    log
        File with what it says besides.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def ask(self, do: str, **words: Any) -> Any:
        """Return the answer to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **words}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"It did not {do}. {''.join(self._log.read_text().splitlines(keepends=True)[-12:])}")
        return json.loads(line)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the environments are."""
    parser.add_argument(
        "--environments",
        type=Path,
        default=CACHE,
        metavar="FOLDER",
        help="where environments of other libraries are made and kept (default: .bench of this project)",
    )
    parser.add_argument("--alone", action="store_true", help="without other libraries: nothing is downloaded")


def started_peer(running: ExitStack, name: str, packages: Sequence[str], script: str, options: Any) -> Peer | None:
    """Start a process of another library, which ends with `running`; without its packages say so and return None.

    Parameters
    ----------
    running
        Ends it.
    name
        What its environment is called.
    packages
        What is in it.
    script
        File of the program in this folder.
    options
        The command line: see `add_options`.
    """
    if options.alone:
        print(f"{name}: left out (--alone)")
        return None
    folder = options.environments.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    python = _environment(folder / name, packages)
    if python is None:
        print(f"{name}: left out, it could not be installed: see {folder / name}.log")
        return None
    log = folder / f"{name}.stderr"
    process = subprocess.Popen(
        [python, HERE / script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=running.enter_context(log.open("w")),
        text=True,
    )
    running.callback(_end, process)
    peer = Peer(process, log)
    print(f"compared with {', '.join(f'{key} {value}' for key, value in peer.ask('versions').items())}")
    return peer


def _environment(place: Path, packages: Sequence[str]) -> Path | None:
    """Return the Python of an environment, made unless it is there; None if that fails."""
    python = place / "bin" / "python"
    told = place / INSTALLED
    if told.is_file() and told.read_text().split() == list(packages):
        return python
    print(f"{place.name}: an environment is made in {place} …", flush=True)
    with Path(f"{place}.log").open("w") as log:
        for command in (
            [sys.executable, "-m", "venv", "--clear", place],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages],
        ):
            if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode:
                return None
    told.write_text("\n".join(packages))
    return python


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
