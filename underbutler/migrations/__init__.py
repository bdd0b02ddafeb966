"""Alembic migrations of records (and later the catalogue). May import records, sql and what is below."""
