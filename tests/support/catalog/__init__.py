"""Runs and their documents, whose numbers are known by hand."""
