"""Proofs, by what they need: unit, integration, acceptance, docker. What they share is in `tests.support`."""
