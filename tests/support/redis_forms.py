"""Redis in the forms in which a site has it: by a socket, with users of its own, behind sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support.services import eventually, short_folder
from underbutler.embedded.process import Guard, Process, free_port
from underbutler.embedded.servers import find_redis

__all__ = ["Sentinelled", "redis_at_socket", "sentinelled_redis"]

PASSWORD = "brokers-own"
SENTINEL_PASSWORD = "sentinels-own"
MASTER = "site-broker"


@contextmanager
def redis_at_socket(guard: Guard, *lines: str) -> Iterator[Path]:
    """Run a Redis that listens at a socket alone, with lines of its configuration; yield the socket's path."""
    with short_folder() as folder:
        path = folder / "redis.sock"
        words = ["--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder), *lines]
        process = Process("redis", [find_redis(), *words], guard=guard)
        process.wait_until(lambda: _answers(redis.Redis(unix_socket_path=str(path))), 20)
        try:
            yield path
        finally:
            process.stop()


@dataclass
class Sentinelled:
    """Two servers, master and replica, and three sentinels that watch them; all ask for passwords."""

    servers: dict[int, Process]
    sentinels: list[int]

    @property
    def url(self) -> str:
        """Where the broker is, as the settings take it."""
        return ";".join(f"sentinel://:{PASSWORD}@127.0.0.1:{port}/0" for port in self.sentinels)

    @property
    def master(self) -> int:
        """Port of the server that the first sentinel takes for the master."""
        with redis.Redis(port=self.sentinels[0], password=SENTINEL_PASSWORD, socket_timeout=5) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def kill_master(self) -> int:
        """Kill the master; the sentinels make the replica one. Return the port of what was killed."""
        port = self.master
        self.servers[port].kill()
        return port

    def fail_over(self, before: int) -> None:
        """Wait until another server than this is the master and can be written to."""
        eventually(lambda: self.master != before, 30, "another master")
        with redis.Redis(port=self.master, password=PASSWORD) as client:
            eventually(lambda: client.role()[0] == b"master", 30, "the replica to be a master")


@contextmanager
def sentinelled_redis(folder: Path, guard: Guard) -> Iterator[Sentinelled]:
    """Run master, replica and sentinels on free loopback ports."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ends:

        def start(name: str, port: int, *words: str) -> Process:
            given = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *words]
            process = Process(name, [find_redis(), *given], log_file=folder / f"{name}.log", guard=guard)
            ends.callback(process.stop)
            return process

        first, second, *watching = (free_port() for _ in range(5))
        kept = ["--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0"]
        servers = {first: start("master", first, *kept)}
        servers[second] = start("replica", second, *kept, "--replicaof", f"127.0.0.1 {first}")
        with redis.Redis(port=second, password=PASSWORD) as client:
            eventually(lambda: _replicates(client), 20, "the replica to follow")
        for port in watching:
            file = folder / f"sentinel-{port}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\nrequirepass {SENTINEL_PASSWORD}\n"
                f"sentinel sentinel-pass {SENTINEL_PASSWORD}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {first} 2\nsentinel auth-pass {MASTER} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 5000\n"
            )
            process = Process(f"sentinel-{port}", [find_redis(), str(file), "--sentinel"], guard=guard)
            ends.callback(process.stop)
        site = Sentinelled(servers, watching)
        for port in watching:
            with redis.Redis(port=port, password=SENTINEL_PASSWORD) as client:
                eventually(lambda: _knows_all(client), 20, "the sentinels to know each other")
        yield site


def _answers(client: redis.Redis) -> bool:
    with client, suppress(redis.RedisError):
        return bool(client.ping())
    return False


def _replicates(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        return bool(client.info("replication").get("master_link_status") == "up")
    return False


def _knows_all(client: redis.Redis) -> bool:
    with suppress(redis.RedisError):
        master = client.sentinel_master(MASTER)
        return int(master["num-slaves"]) == 1 and int(master["num-other-sentinels"]) == 2
    return False
