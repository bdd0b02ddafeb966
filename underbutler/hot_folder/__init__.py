"""A folder into which a camera writes: frames are ingested when they are whole, each once, and submitted."""
