"""OpenStack Swift with its S3 API as one container: a real store, whose objects stay in its volume.

Stands in for the S3 server of docker-compose.yml where no image can be pulled. ``ROOT_ACCESS_KEY`` (``ACCOUNT:USER``)
and ``ROOT_SECRET_KEY`` are the credentials, as for the server that it stands in for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).parent))

from swift_files import SWIFT_KINDS, write_swift_files

FOLDER = Path(os.environ.get("SWIFT_FOLDER", "/data"))
PORTS = {"proxy": 7070, "memcached": 11211, "object": 6200, "container": 6201, "account": 6202}


def make_rings() -> None:
    """Make the three rings, once for a volume."""
    for kind in SWIFT_KINDS:
        if (FOLDER / f"{kind}.ring.gz").exists():
            continue
        ring = str(FOLDER / f"{kind}.builder")
        for step in (["create", "4", "1", "1"], ["add", f"r1z1-127.0.0.1:{PORTS[kind]}/d1", "1"], ["rebalance"]):
            made = subprocess.run(["swift-ring-builder", ring, *step], stdout=subprocess.DEVNULL, check=False)
            if made.returncode > 1:  # 1 is a warning
                sys.exit(f"swift-ring-builder {step[0]} failed")


def serve() -> int:
    """Run the five servers until one ends or the container is asked to end."""
    memory = ["memcached", "-l", "127.0.0.1", "-p", str(PORTS["memcached"]), "-U", "0", "-m", "32"]
    commands = [memory, *([f"swift-{kind}-server", str(FOLDER / f"{kind}.conf")] for kind in (*SWIFT_KINDS, "proxy"))]
    servers = [subprocess.Popen(command) for command in commands]

    def end(_signal: int, _frame: FrameType | None) -> None:
        for server in servers:
            server.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    pid, _ = os.wait()
    sys.stderr.write(f"server {pid} has ended\n")
    end(signal.SIGTERM, None)
    for server in servers:
        server.wait()
    return 0


if __name__ == "__main__":
    (FOLDER / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    write_swift_files(
        FOLDER,
        PORTS,
        proxy_address="0.0.0.0",
        key=os.environ["ROOT_ACCESS_KEY"],
        secret=os.environ["ROOT_SECRET_KEY"],
    )
    make_rings()
    sys.exit(serve())
