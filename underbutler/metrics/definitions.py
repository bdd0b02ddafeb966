"""Every metric that is counted in processes, each with what it says.

What can be read of the records (states, ages, breakers, workers) is not counted: see `underbutler.records_collector`.
"""

from __future__ import annotations

from typing import Final

from .instruments import Counter, Gauge, Histogram

OPEN: Final = ()
"""A label whose values are not known before: few all the same (tasks, queues, repositories, dataset types)."""

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""From a quick look to the longest target, in seconds."""
MOMENTS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# Targets

QUEUE_WAIT_SECONDS = Histogram(
    "queue_wait_seconds",
    "From a target's submission to its first claim, by the records' clock.",
    {"task": OPEN, "queue": OPEN},
    buckets=SECONDS,
)
RUN_SECONDS = Histogram(
    "run_seconds",
    "From a claim to its end in the process that made it: science, Butler, annex and records.",
    {"task": OPEN, "end": OPEN},
    buckets=SECONDS,
)
CLAIMS = Counter(
    "claims_total",
    "Claims (tries at a target) that ended, by how: done, no_work, failed, held, transient (a service was away, tried "
    "again), given_back, aborted, died, worker_died, timed_out, expired, fenced_out.",
    {"task": OPEN, "end": OPEN},
)
STOOD_DOWN = Counter(
    "stood_down_total",
    "Messages whose target was not to be run, by why: a second copy of a live one, an ended or cancelled one.",
    {"reason": ("unknown", "digest", "cancelled", "ended", "live", "delivering", "not_before", "breaker")},
)
DEFERRED = Counter(
    "deferred_total",
    "Targets that a worker could not take here and now, by why; they are sent again.",
    {"reason": ("unfit", "unreadable", "breaker")},
)
PARKED = Counter("parked_total", "Messages that nobody can run and that went into quarantine, by kind.", {"kind": OPEN})

# The worker

LEASE_RENEWALS = Counter("lease_renewals_total", "Leases that the worker's keeper renewed.")
CHILD_DEATHS = Counter(
    "child_deaths_total",
    "Children that were lost under a target: dead by themselves, or stopped by the time limit.",
    {"how": ("died", "timed_out")},
)
WORKER_CLAIMS = Gauge("worker_claims", "Targets that this worker holds now.")
WORKER_FIT = Gauge("worker_fit", "1 while this worker takes targets, 0 while its scratch space or memory forbids it.")
SCRATCH_FREE_BYTES = Gauge("scratch_free_bytes", "Free space of the scratch folder.")

# What a process has open

BUTLER_OPEN_SECONDS = Histogram(
    "butler_open_seconds",
    "Time until a butler of a repository was open; the count is how many were opened.",
    {"repo": OPEN},
    buckets=MOMENTS,
)
CACHE_READS = Counter(
    "cache_reads_total",
    "Reads through what a process keeps between targets: calibrations, jobs, configs.",
    {"cache": ("calibrations", "jobs", "configs"), "outcome": ("hit", "miss")},
)

# The annex

ANNEX_DELIVERIES = Counter(
    "annex_deliveries_total", "Objects that were delivered and verified.", {"dataset_type": OPEN}
)
ANNEX_DELIVERED_BYTES = Counter("annex_delivered_bytes_total", "Bytes of delivered objects.", {"dataset_type": OPEN})
ANNEX_DELIVERY_SECONDS = Histogram(
    "annex_delivery_seconds",
    "Time of one delivery, from the Butler to a verified object.",
    {"dataset_type": OPEN},
    buckets=SECONDS,
)
ANNEX_FAILURES = Counter(
    "annex_failures_total",
    "Tries to deliver an object that failed: the annex was away, held other bytes, or the Butler's file was gone.",
    {"kind": ("away", "integrity", "lost")},
)
NOTICES = Counter(
    "notices_total", "Notices, by what became of them at once.", {"outcome": ("published", "left")}, home=""
)

# Beat

BEAT_FIRINGS = Counter(
    "beat_firings_total",
    "Firings of the schedule by this beat: fired, skipped (a missed slot that is left out), failed.",
    {"outcome": ("fired", "skipped", "failed")},
    home="beat",
)
SWEEP_SECONDS = Histogram("sweep_seconds", "Time of one sweep.", buckets=(*MOMENTS, 30, 60, 300), home="beat")
SWEEP_WORK = Counter(
    "sweep_work_total", "What sweeps did, in their own words.", {"part": OPEN, "did": OPEN}, home="beat"
)
SWEEP_ERRORS = Counter(
    "sweep_errors_total",
    "Parts of a sweep in which something went wrong.",
    {
        "part": (
            "leases", "lost", "messages", "notices", "datasets", "uploads", "submissions", "jobs", "runs", "workers",
            "tokens",
        )
    },
    home="beat",
)  # fmt: skip
