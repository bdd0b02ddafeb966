"""Runs of a server over HTTP: connection, wire format, and the source and store that read from it."""
