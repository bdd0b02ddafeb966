"""Frozen values with no I/O: references, messages, jobs, notices, names. May import settings, clock, logs, errors."""
