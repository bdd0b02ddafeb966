"""What serves HTTP, whatever it serves: a socket that listens, a protocol that waits for no half-sent request."""
