"""What is logged and traced, and the log of a claim that survives its process."""
