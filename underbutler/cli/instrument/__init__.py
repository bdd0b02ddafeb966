"""``underbutler instrument``: maps of cameras, listed, shown, drafted, and tried on frames before any repository."""
