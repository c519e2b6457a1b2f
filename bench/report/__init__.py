"""The results: for programs, for people, and beside the aims."""
