"""The one use-case that command line, schedule and HTTP share: a request is prepared, recorded, and sent."""
