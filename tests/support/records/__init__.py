"""Rows of the records, and the machine that calls them in any order."""
