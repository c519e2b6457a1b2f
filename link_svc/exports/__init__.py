"""Exports: somebody's links as a file, in parts that a message over the bus can hold."""
