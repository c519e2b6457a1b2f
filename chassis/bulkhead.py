"""A limit of calls under way to one peer: one that is frozen must not take all workers.

Who finds no place waits in line, for as long as the peer answers others: it is busy, and there will
be an answer within the deadline. A peer that answers nobody is frozen, and is not waited for: once
somebody has found that out, nobody else waits at all until it answers, for waiting takes a worker.
For the same reason the line has an end: a quarter of the workers are there for others in any case.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from eventlet.event import Event

from chassis.errors import Unavailable

# Without any answer, a quarter of the time that there is, and so long at least. A busy peer gives
# one every few milliseconds. Who waits longer for a frozen one would only hold a worker.
WAIT_SECONDS = 0.5
WAIT_PART = 0.25


class Bulkhead:
    """So many places for calls to the peer of this name, and a line of so many who wait."""

    def __init__(self, peer: str, places: int, longest_line: float = math.inf) -> None:
        self._peer = peer
        self._places = places
        self._longest_line = longest_line
        self._free = places  # with somebody in line, none
        self._line: deque[Event] = deque()
        self._answers = 0
        self._frozen_since = -1  # how many answers there were when somebody found that out

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Take a place for the block, waiting in line if need be; raise Unavailable."""
        if self._free:
            self._free -= 1
        else:
            self._wait(seconds)
        try:
            yield
            self._answers += 1
        except Unavailable:  # a time-out frees a place, too, and is no answer
            raise
        except Exception:
            self._answers += 1
            raise
        finally:
            self._give()

    def _give(self) -> None:
        if self._line:
            self._line.popleft().send()
        else:
            self._free += 1
            if self._free == self._places:  # nobody who asks now, and so nobody who knows
                self._frozen_since = -1

    def _wait(self, seconds: float) -> None:
        if self._frozen_since == self._answers or len(self._line) >= self._longest_line:
            raise self._busy()
        turn = Event()
        self._line.append(turn)
        try:
            self._watch(turn, time.monotonic() + seconds, max(WAIT_SECONDS, WAIT_PART * seconds))
        except BaseException:
            if turn.ready():  # it came too late for us
                self._give()
            else:
                self._line.remove(turn)
            raise

    def _watch(self, turn: Event, end: float, patience: float) -> None:
        """Wait for a turn until an end, and no longer than patience without any answer."""
        while not turn.ready():
            answers, left = self._answers, end - time.monotonic()
            turn.wait(max(0.001, min(patience, left)))
            silent = self._answers == answers
            if not turn.ready() and (silent or time.monotonic() >= end):
                if silent and left >= patience:
                    self._frozen_since = answers
                raise self._busy()

    def _busy(self) -> Unavailable:
        return Unavailable("peer_busy", f"{self._peer} has too many calls to answer; try again.")
