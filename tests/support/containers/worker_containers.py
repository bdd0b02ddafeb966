"""Our image as pytest-celery's worker, with the probes of the acceptance tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_celery import CeleryWorkerContainer, RedisContainer

COMMAND = (
    *("celery", "-A", "workers.celery", "worker", "-E", "-P", "prefork", "-c", "1"),
    *("--without-gossip", "--without-mingle", "-l", "INFO"),
)


class WorkerContainer(CeleryWorkerContainer):
    """A worker as docker-compose.yml starts it, and not the plugin's own, which it would build."""

    @classmethod
    def command(cls, *args: str, **_: Any) -> list[str]:
        """What the container runs."""
        return [*COMMAND, "-n", f"{cls.worker_name()}@%h", *args]

    @classmethod
    def worker_name(cls) -> str:
        """First part of its node name."""
        return "contained"

    @classmethod
    def worker_queue(cls) -> str:
        """Queue that it takes from."""
        return "reduce"


class KeepingRedis(RedisContainer):
    """The broker as docker-compose.yml runs it: each command in its append-only file, on one port for all its lives."""

    @classmethod
    def image(cls) -> str:
        """The release that docker-compose.yml pins."""
        return "redis:7"

    @classmethod
    def command(cls, *_args: str, **_: Any) -> list[str]:
        """What the container runs."""
        keeping = ["--appendonly", "yes", "--appendfsync", "always", "--dir", "/data", "--save", ""]
        return ["redis-server", *keeping, "--maxmemory-policy", "noeviction", "--protected-mode", "no"]


def of_postgres(host: str, port: int, password: str) -> str:
    """Return the URL of the records."""
    return f"postgresql+psycopg://underbutler:{password}@{host}:{port}/underbutler"


def variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Return settings as our variables."""
    return {f"UNDERBUTLER_{name.upper()}": str(value) for name, value in settings.items()}
