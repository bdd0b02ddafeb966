"""One target in a child process: claimed, reduced, delivered, ended."""
