"""What the records say, one by one or as a whole, without changing a row."""
