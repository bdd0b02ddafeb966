"""JSON under ``/v1``: jobs, tasks, quarantine, schedules, what happens now, and how the service is."""
