"""Metrics over HTTP, for Prometheus to fetch."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from underbutler.redaction import redacted_text
from underbutler.settings import Settings
from underbutler.telemetry.logs import get_logger

from .instruments import INSTALL

__all__ = ["Exporter", "exposition"]

log = get_logger(__name__)

TRY_AGAIN_S: Final = 10.0
"""So long a port that is taken is not tried again: the worker that has it may be about to end."""


class Exporter:
    """Serves what collectors yield on the port of the settings, if they name one.

    A port that is taken is said once, and tried again now and then: metrics never keep a service from starting.

    Parameters
    ----------
    settings
        Host and port.
    *collectors
        What is served.
    """

    def __init__(self, settings: Settings, *collectors: Any) -> None:
        self._host = settings.metrics_host
        self._port = settings.metrics_port or 0
        self._collectors = collectors
        self._server: Any = None
        self._next_try = 0.0
        self.trouble = ""
        """Why it does not listen."""

    @property
    def serving(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def start(self) -> bool:
        """Listen from now on; False when that cannot be now. To be called again until it can."""
        now = time.monotonic()
        if self.serving or not self._port or now < self._next_try:
            return self.serving
        self._next_try = now + TRY_AGAIN_S
        try:
            self._server = _serve(self._host, self._port, self._collectors)
        except ModuleNotFoundError:
            self._say("metrics_not_installed", cure=INSTALL)
        except (OSError, OverflowError) as error:
            self._say(
                "metrics_port_not_served",
                error=str(error),
                cure="give each worker and beat of a machine a UNDERBUTLER_METRICS_PORT of its own",
            )
        else:
            log.info("metrics_served", url=f"http://{self._host}:{self._port}/metrics")
        return self.serving

    def keep_trying(self) -> None:
        """Listen as soon as that can be, in a thread."""
        if self._port and not self.start():
            threading.Thread(target=self._try, name="metrics-port", daemon=True).start()

    def _try(self) -> None:
        while not self.start():
            time.sleep(TRY_AGAIN_S)

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _say(self, event: str, **words: str) -> None:
        if not self.trouble:
            log.warning(event, host=self._host, port=self._port, **words)
        self.trouble = words.get("error") or words["cure"]


def exposition(*collectors: Any) -> str:
    """Return what collectors yield as Prometheus' text.

    Raises
    ------
    ModuleNotFoundError
        If ``prometheus-client`` is not installed.
    """
    from prometheus_client import generate_latest

    return redacted_text(generate_latest(_registry(collectors)).decode())


def _registry(collectors: tuple[Any, ...]) -> Any:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    for one in collectors:
        registry.register(one)
    return registry


def _serve(host: str, port: int, collectors: tuple[Any, ...]) -> Any:
    from prometheus_client import start_http_server

    server, _ = start_http_server(port, host, _registry(tuple(_Blotted(one) for one in collectors)))
    return server


class _Blotted:
    """A collector whose label values show no secret of this process; none should be there."""

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def collect(self) -> Any:
        for metric in self._collector.collect():
            metric.samples = [
                sample._replace(labels={name: redacted_text(value) for name, value in sample.labels.items()})
                for sample in metric.samples
            ]
            yield metric
