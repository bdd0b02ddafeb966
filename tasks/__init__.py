"""WHAT: the built-in science tasks. May import underbutler."""
