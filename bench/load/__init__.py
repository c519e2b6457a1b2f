"""Requests, and what sends them faster than the system can answer."""
