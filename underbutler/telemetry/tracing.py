"""The way of a target as one OpenTelemetry trace, from its submission to its notice.

Off, and then nothing is imported, unless the extra ``tracing`` is installed and the environment names an endpoint
(``OTEL_EXPORTER_OTLP_ENDPOINT``, or ``…_TRACES_ENDPOINT``). The exporter is made in the process that first needs it, so
never before a fork. The trace's id is the job's, without dashes; the span of an attempt has an id that follows from
target and claim, so that the next attempt can point at it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from underbutler.redaction import redacted_text

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, Span, Tracer

__all__ = ["Identity", "attempt_identity", "close", "ids_of", "on", "record", "span", "trace_id_of", "traceparent"]

Kind: TypeAlias = Literal["internal", "producer", "consumer"]
Identity: TypeAlias = tuple[object, ...]
"""What a span's id follows from: ``("attempt", target, claim number)``."""

PATIENCE_S: Final = 3.0
"""So long a collector that does not answer is waited for, also by a process that ends, in seconds."""
_TIMEOUTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")

_log = logging.getLogger(__name__)
_NOTHING: Final[AbstractContextManager[None]] = nullcontext()
_given: ContextVar[tuple[uuid.UUID | None, Identity | None]] = ContextVar("ids of the next span", default=(None, None))
_making = threading.Lock()
_providers: dict[int, TracerProvider] = {}


@cache
def on() -> bool:
    """Tell whether traces are wanted and can be made; asked once per process."""
    given = os.environ.get
    if not (given("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or given("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return False
    if given("OTEL_SDK_DISABLED", "").lower() == "true" or given("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    protocol = given("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or given("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        _log.warning("no traces: OTEL_EXPORTER_OTLP_PROTOCOL is %s; only http/protobuf (port 4318) is spoken", protocol)
        return False
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401 - whether they are there
    except ImportError:
        _log.warning("no traces: install what makes them: pip install 'underbutler[tracing]'")
        return False
    return True


def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    trace: uuid.UUID | None = None,
    identity: Identity | None = None,
    start_s: float | None = None,
    links: Mapping[uuid.UUID, Identity] | None = None,
    **attributes: str | float | None,
) -> AbstractContextManager[None]:
    """Make the block a span, below the present one; nothing where traces are off.

    Parameters
    ----------
    name
        What is done, the same for every target.
    kind
        Side of the queue.
    parent
        W3C traceparent that it belongs under; default the present span.
    trace
        Id of the trace that it begins, if it is under nothing.
    identity
        What its id follows from; default random.
    start_s
        When it began, in seconds since 1970 UTC; default now.
    links
        Spans that it points at: the identity, by the trace that they are in if it is not this one.
    **attributes
        Facts, each told as ``underbutler.<name>`` and without secrets.
    """
    if not on():
        return _NOTHING
    return _span(name, kind, parent, trace, identity, start_s, links, attributes)


def record(
    name: str,
    *,
    start_s: float,
    end_s: float,
    kind: Kind = "internal",
    parent: str | None = None,
    trace: uuid.UUID | None = None,
    identity: Identity | None = None,
    error: str | None = None,
    **attributes: str | float | None,
) -> None:
    """Tell of a span that is over; parameters as of `span`, `error` says in words how it went wrong."""
    if not on():
        return
    made = _started(name, kind, parent, trace, identity, start_s, None, attributes)
    if error is not None:
        _went_wrong(made, error)
    made.end(_ns(max(start_s, end_s)))


def traceparent() -> str | None:
    """Return the W3C traceparent of the present span; None where there is none."""
    if not on():
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def trace_id_of(parent: str | None) -> str | None:
    """Return the trace id of a traceparent, as log lines carry it; None if it is none."""
    parts = (parent or "").split("-")
    return parts[1] if len(parts) == 4 else None


def attempt_identity(target: uuid.UUID, claim_no: int) -> Identity:
    """Return what the id of an attempt's span follows from."""
    return "attempt", target, claim_no


def ids_of(identity: Identity) -> int:
    """Return the span id that follows from an identity."""
    digest = hashlib.sha256(" ".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:8]) or 1


def close() -> None:
    """Send what this process has not sent yet, and end; nothing where it made no trace."""
    provider = _providers.pop(os.getpid(), None)
    if provider is not None:
        provider.shutdown()


@contextmanager
def _span(*how: Any) -> Iterator[None]:
    from opentelemetry.trace import use_span

    made = _started(*how)
    try:
        with use_span(made, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield
    except BaseException as error:
        _went_wrong(made, f"{type(error).__name__}: {error}")
        raise
    finally:
        made.end()


def _started(
    name: str,
    kind: Kind,
    parent: str | None,
    trace: uuid.UUID | None,
    identity: Identity | None,
    start_s: float | None,
    links: Mapping[uuid.UUID, Identity] | None,
    attributes: Mapping[str, str | float | None],
) -> Span:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = None if parent is None else TraceContextTextMapPropagator().extract({"traceparent": parent})
    asked = _given.set((trace, identity))
    try:
        return _tracer().start_span(
            name,
            context,
            SpanKind[kind.upper()],
            {f"underbutler.{key}": _clean(value) for key, value in attributes.items() if value is not None},
            [_link(*one) for one in (links or {}).items()],
            _ns(time.time() if start_s is None else start_s),
        )
    finally:
        _given.reset(asked)


def _link(trace: uuid.UUID, identity: Identity) -> Link:
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    sampled = TraceFlags(TraceFlags.SAMPLED)
    return Link(SpanContext(trace.int, ids_of(identity), is_remote=True, trace_flags=sampled))


def _went_wrong(made: Span, words: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    made.set_status(Status(StatusCode.ERROR, redacted_text(words)))


def _clean(value: str | float) -> str | float:
    return redacted_text(str(value)) if isinstance(value, str) else value


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _tracer() -> Tracer:
    with _making:
        provider = _providers.get(os.getpid())
        if provider is None:
            _providers.clear()  # a forked child forgets its parent's
            provider = _providers[os.getpid()] = _provider()
    return provider.get_tracer("underbutler")


def _provider() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """Ids that were asked for, else random ones."""

        def generate_span_id(self) -> int:
            identity = _given.get()[1]
            return ids_of(identity) if identity is not None else super().generate_span_id()

        def generate_trace_id(self) -> int:
            trace = _given.get()[0]
            return trace.int if trace is not None else super().generate_trace_id()

    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "underbutler"}
    provider = TracerProvider(resource=Resource.create(name), id_generator=Ids())
    patience_s = None if any(os.environ.get(variable) for variable in _TIMEOUTS) else PATIENCE_S
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=patience_s)))
    return provider
