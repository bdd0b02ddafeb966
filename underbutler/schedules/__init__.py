"""When something is submitted by itself: the schedule's file, its clock, its firing. May import sweeper and below."""
