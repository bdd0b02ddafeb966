"""Counting in this process, in a folder as a worker does."""

from tests.support.counting import folder

__all__ = ["folder"]
