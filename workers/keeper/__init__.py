"""The keeper: a light process beside each worker that renews the leases of what the worker runs."""
