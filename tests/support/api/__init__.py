"""A real server of the submission API, and clients of it."""
