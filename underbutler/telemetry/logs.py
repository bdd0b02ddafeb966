"""Structured logs: bound once per target, cleared after.

Standard logging and structlog share one handler on stderr, so that a science library's message carries the same job,
target and data ID as ours; so do Python's warnings. Nothing of this happens at import: a program calls `configure`.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import structlog

from underbutler.errors import UsageError
from underbutler.redaction import redacted_text
from underbutler.wording import visible

__all__ = [
    "bind_target",
    "bound",
    "claim_formatter",
    "clear_target",
    "configure",
    "formatter",
    "get_logger",
    "named_levels",
    "running_here",
    "take_over_libraries",
    "target_bound",
    "warn_afresh",
]

_TOLD_ANYWAY = {"botocore.credentials": logging.ERROR, "botocore.tokens": logging.ERROR}
"""Loggers of what is raised too, with their levels: a sign-on that is over is a traceback there, and then an error."""

_running: dict[int, dict[str, object]] = {}
"""What is bound of the targets that run in this process, by thread."""


def _of_the_only_target(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Bind a line of another thread to the one target that runs here: an upload's, a pool's of the science."""
    if len(_running) == 1 and not str(event.get("logger", "")).startswith("opentelemetry"):
        (values,) = _running.values()
        if threading.get_ident() not in _running:
            return {**values, **event}
    return event


def _tidy(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take away the line ends that warnings bring along."""
    if isinstance(event.get("event"), str):
        event["event"] = event["event"].rstrip()
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    _of_the_only_target,
    _tidy,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders, then takes out the secrets: whatever the event, its values or its traceback held."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        return redacted_text(super().format(record))


def configure(level: str = "INFO", form: Literal["text", "json"] = "text", levels: str = "") -> None:
    """Send every log record and every warning of this process to stderr, as text for people or JSON for machines.

    Parameters
    ----------
    level
        Lowest level that is shown, by name.
    form
        ``json`` gives one object per line with flat keys.
    levels
        Other levels for some loggers and those below them: ``lsst.daf.butler=WARNING,botocore=ERROR``.

    Raises
    ------
    UsageError
        If `levels` does not read so.
    """
    others = named_levels(levels)
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
    logging.captureWarnings(False)  # else a hook that was replaced meanwhile stays replaced
    logging.captureWarnings(True)
    take_over_libraries()
    for name, number in {**_TOLD_ANYWAY, **others}.items():
        logging.getLogger(name).setLevel(number)


def named_levels(words: str) -> dict[str, int]:
    """Return the levels of ``LOGGER=LEVEL,…`` by logger.

    Raises
    ------
    UsageError
        If a word is not ``LOGGER=LEVEL``, or the level is none.
    """
    known = logging.getLevelNamesMapping()
    found = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        name, _, level = word.partition("=")
        if not name or level.upper() not in known:
            raise UsageError(
                f"UNDERBUTLER_LOG_LEVELS has {word!r}, which is not LOGGER=LEVEL. Write for example "
                "lsst.daf.butler=WARNING,botocore=ERROR.",
                word=word,
            )
        found[name.strip()] = known[level.upper()]
    return found


def take_over_libraries() -> None:
    """Take away the handler that astropy brings along: its lines come through ours, once, with what is bound.

    Costs nothing where astropy is not loaded; to be called again where it may have been loaded since.
    """
    if "astropy.logger" not in sys.modules:
        return
    theirs = logging.getLogger("astropy")
    brought = [handler for handler in theirs.handlers if type(handler).__module__ == "astropy.logger"]
    for handler in brought:
        theirs.removeHandler(handler)
    if brought:
        theirs.setLevel(logging.NOTSET)  # as everybody else: what the process is told


def warn_afresh() -> None:
    """Let a warning that was shown once be shown again: each target is told of its own."""
    with warnings.catch_warnings():  # to enter and to leave forgets what was shown, and changes nothing else
        pass


def formatter(form: Literal["text", "json"] = "text", colors: bool = False) -> logging.Formatter:
    """Return a formatter that renders our events and those of any library the same way, without secrets."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0)
    )
    return _formatter(renderer) if form == "json" else _formatter(_seen, renderer)


def claim_formatter() -> logging.Formatter:
    """Return a formatter for the log of one claim: ``TIME [LEVEL] LOGGER: EVENT KEY=VALUE …``.

    What is bound is left out, because it is the same on every line: the claim's row says it.
    """
    return _formatter(_seen, _claim_line)


def _formatter(*renderer: structlog.typing.Processor) -> logging.Formatter:
    return _Formatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *renderer,
        ],
    )


def _seen(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Show control characters of whatever was logged, a header's text perhaps: a terminal would obey them."""
    return {key: visible(value) if isinstance(value, str) else value for key, value in event.items()}


def _claim_line(_logger: Any, _name: str, event: structlog.typing.EventDict) -> str:
    known = {**_only_target(), **structlog.contextvars.get_contextvars()}
    head = f"{event.pop('timestamp')} [{event.pop('level')}] {event.pop('logger')}: {event.pop('event')}"
    trace = event.pop("exception", None)
    rest = [f"{key}={_word(value)}" for key, value in event.items() if key not in known or known[key] != value]
    return " ".join([head, *rest]) + (f"\n{trace}" if trace else "")


def _only_target() -> Mapping[str, object]:
    return next(iter(_running.values())) if len(_running) == 1 else {}


def _word(value: object) -> str:
    text = str(value)
    return text if text and not any(sign.isspace() or sign in "\"'=" for sign in text) else repr(value)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events go through standard logging under ``name``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def bound(**values: object) -> Iterator[None]:
    """Bind values to every record of this context, and clear them after."""
    with structlog.contextvars.bound_contextvars(**values):
        yield


def bind_target(**values: object) -> None:
    """Bind the names of the target that this thread runs, until `clear_target`.

    While it is the only one of its process, lines of other threads carry them too.
    """
    structlog.contextvars.bind_contextvars(**values)
    _running.setdefault(threading.get_ident(), {}).update(values)


def clear_target() -> None:
    """Clear what `bind_target` bound."""
    structlog.contextvars.unbind_contextvars(*_running.pop(threading.get_ident(), {}))


@contextmanager
def target_bound(**values: object) -> Iterator[None]:
    """Bind the names of a target inside the block; where somebody has bound them already, he clears them."""
    bound_before = threading.get_ident() in _running
    bind_target(**values)
    try:
        yield
    finally:
        if not bound_before:
            clear_target()


def running_here() -> int:
    """Return how many targets run in this process."""
    return len(_running)
