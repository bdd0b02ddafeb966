"""Targets that a runner works through here and now: in one process or several, counted, each with how it ended."""
