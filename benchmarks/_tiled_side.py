"""The same work by tiled, in an environment of its own: one request per line, answered by what it took.

Client and server share this process, so that nothing travels over a socket. Runs are written as Bluesky writes them
there, by its ``TiledWriter``: events become rows of a table in SQLite.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _catalogue_runs import run_documents
from _catalogue_work import documents, read

warnings.simplefilter("ignore")
EXPORTERS = {"BlueskyRun": {"application/json-seq": "bluesky_tiled_plugins.exporters:json_seq_exporter"}}
KEY = "bench"


def main() -> None:
    """Answer requests until there are no more."""
    told = sys.stdout
    sys.stdout = sys.stderr
    with ExitStack() as running:
        client: Any = None
        for line in sys.stdin:
            request = json.loads(line)
            do = request.pop("do")
            if do == "write":
                client = serve(Path(request.pop("folder")), running)
            answer = versions() if do == "versions" else WORK[do](client, **request)
            print(json.dumps(answer), file=told, flush=True)


def versions() -> dict[str, str]:
    """Return what is compared with."""
    from importlib.metadata import version

    return {name: version(name) for name in ("tiled", "bluesky-tiled-plugins", "xarray")}


def serve(folder: Path, running: ExitStack) -> Any:
    """Return the client of a new server in this process."""
    from tiled.client import from_context
    from tiled.client.context import Context
    from tiled.server.app import build_app_from_config

    folder.mkdir(parents=True, exist_ok=True)
    arguments = {
        "uri": f"sqlite:///{folder}/catalogue.db",
        "init_if_not_exists": True,
        "writable_storage": [f"file://localhost{folder}/data", f"sqlite:///{folder}/tables.db"],
    }
    configuration = {
        "authentication": {"single_user_api_key": KEY},
        "media_types": EXPORTERS,
        "trees": [{"path": "/", "tree": "catalog", "args": arguments}],
    }
    context = running.enter_context(Context.from_app(build_app_from_config(configuration), api_key=KEY))
    return from_context(context)


def write(client: Any, first: int, count: int, events: int, fields: int) -> int:
    """Write runs."""
    from bluesky_tiled_plugins import TiledWriter

    for number in range(first, first + count):
        writer = TiledWriter(client, batch_size=max(1, events))
        for name, document in run_documents(number, events=events, fields=fields):
            writer(name, document)
    return count


def read_newest(client: Any) -> dict[str, float]:
    """Read the run that was written last."""
    return read(lambda: client.values().last())


def replay_newest(client: Any) -> dict[str, float]:
    """Replay it."""
    return documents(lambda: client.values().last())


WORK: dict[str, Callable[..., Any]] = {"write": write, "read": read_newest, "documents": replay_newest}


if __name__ == "__main__":
    main()
