"""Runs in a SQL database: tables, insertion, recording while a job runs, search and retrieval."""
