"""Handlers: what opens the external resource of one spec, from a local file, from S3 or from the Butler."""
