"""``underbutler runs serve``: a catalogue over HTTP. Its application comes by entry point: it is another room."""

from __future__ import annotations

import contextlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import click

from underbutler.errors import UsageError
from underbutler.serving.listening import is_local, listen, shown
from underbutler.terminal import stderr_console

from .catalog import catalog_option, chosen_catalog, open_catalog

if TYPE_CHECKING:
    from underbutler.catalog import Broker

__all__ = ["serve_runs"]

CONNECTIONS: Final = 500
"""Connections at once; a further one is answered that it may come again."""


@click.command("serve", short_help="Serve runs over HTTP.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8750, show_default=True, help="0 takes a port that is free."
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="A folder whose files are opened for runs that name them; again for more. Default: none.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME",
    help="An S3 bucket likewise, beside those of the annex.",
)
@click.option(
    "--handler",
    "specs",
    multiple=True,
    metavar="SPEC",
    help="A spec whose handler another package brings, and that you trust to open nothing else.",
)
@catalog_option
@click.pass_context
def serve_runs(
    ctx: click.Context,
    host: str,
    port: int,
    roots: tuple[str, ...],
    buckets: tuple[str, ...],
    specs: tuple[str, ...],
    catalog: str | None,
) -> None:
    """Serve runs over HTTP until Ctrl-C, for `Broker("http://HOST:PORT/runs")` on any machine.

    Whoever asks needs neither the database nor the bucket: arrays are read here and sent. Nobody is asked who they
    are: to be reached from other machines put a proxy in front that does. Opened are datasets of the Butler, objects
    in the annex's buckets, and what the options name.

    \b
    Examples:
      underbutler runs serve
      underbutler runs serve --port 0 --catalog /data/beamline/2026 --root /data/beamline
      underbutler runs --catalog http://127.0.0.1:8750/runs
      curl 'http://127.0.0.1:8750/runs?limit=1'
    """
    uvicorn, protocol, application = _server()
    source = open_catalog(chosen_catalog(ctx, catalog))
    _guard(source, roots, buckets, specs)
    with listen(host, port) as listener:
        _say_where(source, host, listener.getsockname()[1])
        config = uvicorn.Config(
            application(source),
            http=protocol,
            ws="none",
            limit_concurrency=CONNECTIONS,
            log_config=None,
            log_level="warning",
            access_log=False,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _guard(source: Broker, roots: tuple[str, ...], buckets: tuple[str, ...], specs: tuple[str, ...]) -> None:
    """Let a catalogue open only what it was given: its runs may come from anywhere."""
    from underbutler.catalog.handlers.allowed_places import AllowedPlaces, guarded
    from underbutler.settings import load_settings

    known = dict(source.handler_registry)
    kept = guarded(known, AllowedPlaces.of(load_settings(), roots, buckets), specs)
    for spec in known:
        if spec in kept:
            source.register_handler(spec, kept[spec], overwrite=True)
        else:
            source.deregister_handler(spec)


def _server() -> tuple[Any, Any, Any]:
    """Return uvicorn, the protocol that it is to speak, and what makes the application of a catalogue."""
    try:
        import uvicorn

        from underbutler.serving.bounded_requests import BoundedRequests

        (point,) = entry_points(group="underbutler.applications", name="runs")
        return uvicorn, BoundedRequests, point.load()
    except ImportError as error:
        raise UsageError(
            f"`runs serve` needs {error.name}, which the extra 'api' brings: pip install 'underbutler[api]'",
            package=error.name,
        ) from error


def _say_where(source: Broker, host: str, port: int) -> None:
    say = stderr_console().print
    say(f"Serving {source.place} at http://{shown(host)}:{port}/runs  (Ctrl-C ends)", highlight=False, soft_wrap=True)
    if not is_local(host):
        say("Anyone who reaches this address can read all of it.", style="yellow")
