"""``underbutler metrics``: what the records say, as Prometheus reads it."""

from __future__ import annotations

import threading

import click

from underbutler.errors import RecordsUnavailableError, UsageError

from .session import open_records

__all__ = ["metrics"]


@click.command(short_help="Print metrics in Prometheus text format.")
@click.option("--serve", metavar="HOST:PORT", help="Serve it over HTTP until Ctrl-C.")
def metrics(serve: str | None) -> None:
    """Print metrics in Prometheus text format: what waits, runs, is held or unsent, and who works.

    It is read from the records, and from the broker what waits for consumers of notices; beat serves the same on
    UNDERBUTLER_METRICS_PORT, together with what it counts. What workers count (run times, deliveries, deaths) each of
    them serves on its own UNDERBUTLER_METRICS_PORT.

    \b
    Examples:
      underbutler metrics
      underbutler metrics > u.prom && mv u.prom /var/lib/prometheus/node-exporter/underbutler.prom
      underbutler metrics --serve 127.0.0.1:9464
    """
    from underbutler.metrics import Exporter, exposition
    from underbutler.notices_collector import NoticesCollector, ask_consumers
    from underbutler.records_collector import RecordsCollector

    host, port = (None, 0) if serve is None else _address(serve)
    with open_records() as context:
        collector = RecordsCollector(lambda: context.jobs, context.settings)
        consumers = NoticesCollector(lambda: ask_consumers(context.settings))
        try:
            text = exposition(collector, consumers)
        except ModuleNotFoundError as error:
            raise UsageError("Metrics need prometheus-client: pip install 'underbutler[monitoring]'.") from error
        if host is None:
            click.echo(text, nl=False)
            if collector.trouble:
                raise RecordsUnavailableError(collector.trouble)
            return
        settings = context.settings.model_copy(update={"metrics_host": host, "metrics_port": port})
        exporter = Exporter(settings, collector, consumers)
        if not exporter.start():
            raise UsageError(f"Nothing can listen on {serve}: {exporter.trouble}. Choose another port.")
        click.echo(f"http://{host}:{port}/metrics · Ctrl-C to stop")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            exporter.stop()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise UsageError(f"--serve takes HOST:PORT, not {text!r}. Write for example 127.0.0.1:9464.", address=text)
    return host.strip("[]"), int(port)
