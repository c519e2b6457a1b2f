"""What each operation of the public API costs in round trips, counted at the servers."""
