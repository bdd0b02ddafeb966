"""Housekeeping: what died, was lost, was left behind or waits is found in the records and set right. May import submit and context."""
