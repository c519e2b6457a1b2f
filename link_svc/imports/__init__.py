"""Imports: files of links, brought in by a job in the background, and what they look like."""
