"""``/health``, ``/ready``, ``/metrics``: how the service is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from underbutler.api.asking import Asking, Here
from underbutler.api.jobs.site import Site
from underbutler.broker import queue_depth
from underbutler.errors import UnderbutlerError
from underbutler.metrics import exposition
from underbutler.records_collector import RecordsCollector

__all__ = ["routes"]

routes = APIRouter(tags=["health"])


@routes.get("/health", summary="Whether this process answers.")
def health() -> dict[str, str]:
    """Say that this process lives. Nobody is asked who they are, and nothing else is looked at."""
    return {"status": "alive"}


@routes.get("/ready", summary="Whether jobs can run now.")
def ready(site: Here) -> Response:
    """Look whether records, broker and annex answer, each repository opens, and a worker takes targets."""
    parts = {
        "records": _tried(site.jobs.ping),
        "broker": _tried(lambda: queue_depth(site.app, site.settings, site.settings.queue)),
        "annex": _tried(lambda: _list_buckets(site)),
        "worker": _worker(site),
    }
    closed = [said for label in _labels(site) if (said := _repository(site, label)) != "ok"]
    parts["repositories"] = f"{len(closed)} of them do not open: {closed[0]}" if closed else "ok"
    good = all(said == "ok" for said in parts.values())
    return JSONResponse({"ready": good, "parts": parts}, 200 if good else 503)


@routes.get("/metrics", summary="Metrics for Prometheus.")
def metrics(site: Here, who: Asking) -> Response:
    """Return what the records say of the service, as Prometheus reads it; for whoever has the scope `read`."""
    who.need("read")
    return PlainTextResponse(exposition(RecordsCollector(lambda: site.jobs, site.settings)))


def _tried(look: Any) -> str:
    try:
        look()
    except UnderbutlerError as error:
        return type(error).__name__
    except Exception as error:  # noqa: BLE001 - what a client of S3 raises; its name is told, and nothing else
        return type(error).__name__
    return "ok"


def _list_buckets(site: Site) -> None:
    site.context.s3.list_buckets()


def _worker(site: Site) -> str:
    try:
        living = site.jobs.workers.known(living_within_s=site.settings.lease_s)
    except UnderbutlerError as error:
        return type(error).__name__
    fit = [one for one in living if one.unfit_reason is None]
    return "ok" if fit else "no worker takes targets now"


def _labels(site: Site) -> list[str]:
    try:
        return [label for label in site.context.repositories.labels() if not site.context.repositories.is_remote(label)]
    except UnderbutlerError:
        return []


def _repository(site: Site, label: str) -> str:
    def look() -> None:
        with site.context.repositories.butler(label) as butler:
            butler.collections.query("*/raw")

    return _tried(look)
