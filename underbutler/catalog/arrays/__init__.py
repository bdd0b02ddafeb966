"""Events of a stream as arrays: columns, dimensions, types, partitions and external values."""
