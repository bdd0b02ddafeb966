"""``underbutler status``: the service, its jobs, one job."""
