"""What can go wrong on one machine, each told in one line."""


class CannotStart(Exception):
    """Something on this machine is in the way; the text is one line for the person who runs it."""
