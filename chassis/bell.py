"""A bell for one green thread that waits: rung before it waits, it is heard all the same."""

from eventlet.event import Event


class Bell:
    """Rung by many, heard by one."""

    def __init__(self) -> None:
        self._rung: Event = Event()

    def ring(self) -> None:
        """Let the one who waits go on, or who waits next."""
        if not self._rung.ready():
            self._rung.send(None)

    def wait(self, seconds: float) -> None:
        """Wait until it rings, for so long at most."""
        self._rung.wait(timeout=seconds)
        if self._rung.ready():
            self._rung = Event()
