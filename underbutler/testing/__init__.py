"""Doubles and builders that are shipped: a simulated night, tiny frames. May import submit and what is below."""
