"""Structured logs: bound once per target, cleared after. May import only errors and redaction.

Standard logging and structlog share one handler on stderr, so that a science library's message carries the same job,
target and data ID as ours. Nothing of this happens at import: a program calls `configure` once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog

from .redaction import redacted_text

__all__ = ["bound", "configure", "formatter", "get_logger"]

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders, then takes out the secrets: whatever the event, its values or its traceback held."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        return redacted_text(super().format(record))


def configure(level: str = "INFO", form: Literal["text", "json"] = "text") -> None:
    """Send every log record of this process to stderr, as text for people or JSON for machines.

    Parameters
    ----------
    level
        Lowest level that is shown, by name.
    form
        ``json`` gives one object per line with flat keys.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form, colors=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a second call reaches the loggers that have spoken already
    )


def formatter(form: Literal["text", "json"] = "text", colors: bool = False) -> logging.Formatter:
    """Return a formatter that renders our events and those of any library the same way, without secrets."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)
    )
    return _Formatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events go through standard logging under ``name``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Bind values to every record of this context, and clear them after."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
