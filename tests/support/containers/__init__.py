"""Our image, and the files that start it with other people's services."""
