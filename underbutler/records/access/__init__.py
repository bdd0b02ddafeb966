"""Who may ask over HTTP, what was done, and which requests are the same."""
