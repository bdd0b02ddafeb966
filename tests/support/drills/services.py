"""Servers that the drills kill and start again on the same port."""

from __future__ import annotations

import signal
from pathlib import Path

import redis

from underbutler.embedded.guard import session_members
from underbutler.embedded.process import Guard, Process, free_port
from underbutler.embedded.servers import find_redis

__all__ = ["DrillRedis"]


class DrillRedis:
    """A Redis server on one port for all its lives.

    Parameters
    ----------
    folder
        Holds its log and its data.
    guard
        Ends it with this program.
    """

    def __init__(self, folder: Path, guard: Guard) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._guard = guard
        self._port = free_port()
        self._process: Process | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self, *, keeps: bool = False) -> None:
        """Start it; `keeps` writes what it holds to an append-only file, at each command."""
        options = {
            "port": self._port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "save": "",
            "appendonly": "yes" if keeps else "no",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        self._process = Process("redis", [find_redis(), *words], guard=self._guard)
        self._process.wait_until(self.answers, 20)

    @property
    def pids(self) -> list[int]:
        """Its processes."""
        return [] if self._process is None else session_members(self._process.pid)

    def answers(self) -> bool:
        """Tell whether it is there."""
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def keep(self, *, sync: str = "always") -> None:
        """Let a running server keep what it holds from now on; `sync` says how often that is sent to the disk."""
        with redis.Redis.from_url(self.url) as client:
            client.config_set("appendonly", "yes")
            client.config_set("appendfsync", sync)

    def kill(self) -> None:
        """Kill it: what it did not keep is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.stop()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.stop(by=signal.SIGTERM)
