"""Celery's events, as whoever watches a site hears them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.stack.site import Site
from underbutler.broker import make_app

__all__ = ["events_of"]


@contextmanager
def events_of(site: Site) -> Iterator[list[dict[str, Any]]]:
    """Collect Celery's events, as Flower does; nobody keeps for a listener what it misses, so it never goes away."""
    seen: list[dict[str, Any]] = []
    listening = threading.Event()
    app = make_app(site.settings)
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": seen.append})

        def listen() -> None:
            with receiver.consumer_context():
                listening.set()
                for _ in receiver.consume(limit=None, timeout=None, safety_interval=0.1):
                    pass

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        assert listening.wait(20)
        try:
            yield seen
        finally:
            receiver.should_stop = True
            thread.join(10)
