"""The demo and the benchmark: both see the system from the outside."""
