"""How every role writes: fenced, counted, in the words of both databases, told to the catalogue."""
