"""WHEN: the schedule. May import workers, tasks and underbutler."""
