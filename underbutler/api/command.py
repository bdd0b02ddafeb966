"""``underbutler api``: the submission API on this machine. The command line finds it by entry point."""

from __future__ import annotations

import contextlib
from typing import Final

import click

from underbutler.serving.listening import is_any, is_local, listen, shown

__all__ = ["api"]

CONNECTIONS: Final = 1000
"""Connections at once; a further one is answered that it may come again."""
PORT: Final = 8760


@click.command(short_help="Serve the submission API over HTTP until Ctrl-C.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a port that is free."
)
def api(host: str, port: int) -> None:
    """Serve the submission API: UWS 1.1 under /async, JSON under /v1, until Ctrl-C.

    Who asks shows a token that `underbutler token create` has made. While there is none, a server of this machine alone
    makes one that is good until it ends, and shows it once.

    Answers link to UNDERBUTLER_PUBLIC_URL, default the address where it listens. To be reached from other machines put
    a proxy with TLS in front.

    \b
    Examples:
      underbutler api
      underbutler api --port 0
      underbutler token create --scope submit,read --user ann --label demo
      curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8760/v1/jobs
    """
    import uvicorn

    from underbutler.context import ServiceContext
    from underbutler.migrations import prepare_records
    from underbutler.serving.bounded_requests import BoundedRequests
    from underbutler.settings import load_settings

    from .service import service_app

    settings = load_settings()
    prepare_records(settings, may_make=True)
    with ServiceContext(settings) as context, listen(host, port) as listener:
        nobody_known = not context.jobs.credentials.is_any_live() and not settings.api_proxies
        own_token = nobody_known and is_local(host)
        if nobody_known and not own_token:
            click.echo("There is no token yet: nobody is answered before `underbutler token create`.", err=True)
        bound = listener.getsockname()[1]
        base_url = settings.public_url or f"http://{shown(host)}:{bound}"
        app = service_app(context, base_url=base_url, hosts=_hosts(host, bound), own_token=own_token)
        click.echo(f"Serving {base_url} from {shown(host)}:{bound}  (Ctrl-C ends)", err=True)
        if (own := app.state.site.gate.own) is not None:
            click.echo(f"Token, good until this ends:\n{own.secret}", err=True)
        config = uvicorn.Config(
            app,
            http=BoundedRequests,
            ws="none",
            limit_concurrency=CONNECTIONS,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _hosts(host: str, port: int) -> list[str]:
    """Return what ``Host`` may say of a server that listens there."""
    names = {"127.0.0.1", "localhost", "[::1]"} if is_local(host) or is_any(host) else set()
    return [f"{name}:{port}" for name in sorted(names | {shown(host)})]
