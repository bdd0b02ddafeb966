"""What becomes of a message before its target runs: inspected, refused, postponed, quarantined or accepted."""
