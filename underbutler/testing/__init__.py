"""Doubles and builders that are shipped: a simulated night, tiny frames."""
