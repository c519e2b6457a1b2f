"""Search in links: what their words are, the language of queries, and its SQL."""
