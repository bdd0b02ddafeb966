"""Frozen values with no I/O: references, messages, jobs, notices, names."""
