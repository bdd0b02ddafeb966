"""The embedded stack with its workers, and the command line in front of it."""
