"""The command line. May import submit, context, terminal, migrations and what is below."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
