"""``make demo``: a few people load links, and read each other's news."""
