"""What targets write: datasets into the Butler, objects into the annex."""
