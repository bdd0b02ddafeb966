"""What goes into the records and what comes out of them, as frozen values."""
