"""The tables of the records: jobs and what hangs on them, the service, the schedule."""
