"""WHEN: the schedule."""
