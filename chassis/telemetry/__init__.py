"""What a service says of itself: numbers, log lines and traces."""
