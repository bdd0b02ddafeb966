"""A whole stack on one machine, for people without a server."""
