"""What the processes of the service count, and how it is served to Prometheus.

Nothing is counted until a program calls `begin`, and nothing ever is without ``prometheus-client``: then a count costs
a look at one variable. Each metric is one object of this package: ``BEAT_FIRINGS.count(outcome="fired")``.
"""

from __future__ import annotations

from .definitions import (
    ANNEX_DELIVERED_BYTES,
    ANNEX_DELIVERIES,
    ANNEX_DELIVERY_SECONDS,
    ANNEX_FAILURES,
    BEAT_FIRINGS,
    BUTLER_OPEN_SECONDS,
    CACHE_READS,
    CHILD_DEATHS,
    CLAIMS,
    DEFERRED,
    LEASE_RENEWALS,
    NOTICES,
    PARKED,
    QUEUE_WAIT_SECONDS,
    RUN_SECONDS,
    SCRATCH_FREE_BYTES,
    STOOD_DOWN,
    SWEEP_ERRORS,
    SWEEP_SECONDS,
    SWEEP_WORK,
    WORKER_CLAIMS,
    WORKER_FIT,
)
from .folder import MetricsFolder
from .instruments import PREFIX, Counter, Gauge, Histogram, Instrument, begin, counting, defined, end, join, own
from .serving import Exporter, exposition

__all__ = [
    "ANNEX_DELIVERED_BYTES",
    "ANNEX_DELIVERIES",
    "ANNEX_DELIVERY_SECONDS",
    "ANNEX_FAILURES",
    "BEAT_FIRINGS",
    "BUTLER_OPEN_SECONDS",
    "CACHE_READS",
    "CHILD_DEATHS",
    "CLAIMS",
    "DEFERRED",
    "LEASE_RENEWALS",
    "NOTICES",
    "PARKED",
    "PREFIX",
    "QUEUE_WAIT_SECONDS",
    "RUN_SECONDS",
    "SCRATCH_FREE_BYTES",
    "STOOD_DOWN",
    "SWEEP_ERRORS",
    "SWEEP_SECONDS",
    "SWEEP_WORK",
    "WORKER_CLAIMS",
    "WORKER_FIT",
    "Counter",
    "Exporter",
    "Gauge",
    "Histogram",
    "Instrument",
    "MetricsFolder",
    "begin",
    "counting",
    "defined",
    "end",
    "exposition",
    "join",
    "own",
]
