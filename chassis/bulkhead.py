"""A limit of calls under way to one peer: one that is frozen must not take all workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from eventlet.semaphore import Semaphore

from chassis.errors import Unavailable

# A busy peer frees a place within milliseconds. Who waits longer would only hold a worker.
WAIT_SECONDS = 0.5


class Bulkhead:
    """So many places for calls to the peer of this name."""

    def __init__(self, peer: str, places: int) -> None:
        self._peer = peer
        self._places = Semaphore(places)

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Take a place for the block, and wait for it for a moment; raise Unavailable."""
        if not self._places.acquire(timeout=max(0.001, min(WAIT_SECONDS, seconds))):
            raise Unavailable("peer_busy", f"{self._peer} has too many calls to answer; try again.")
        try:
            yield
        finally:
            self._places.release()
