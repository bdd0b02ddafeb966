"""The Butler, per process: factory, bound references, repositories, ingest. May import model and what is below."""
