"""Scheduled submissions: the schedule's file, its clock, its firing."""
