"""The entries of the schedule, and what they have fired."""
