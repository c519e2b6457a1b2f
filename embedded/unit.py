"""A part of the running system: started, and started again when it dies, as a kubelet would."""

import signal
import time
from collections.abc import Callable
from typing import Protocol

from embedded.errors import CannotStart

QUICK_SECONDS = 10.0
QUICK_DEATHS = 5
FIRST_PAUSE_SECONDS = 0.5


class Process(Protocol):
    """What a unit needs to know of its process."""

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""


class Unit:
    """Keep one process running; give up when it dies five times in a row soon after its start."""

    def __init__(self, name: str, start: Callable[[], Process]) -> None:
        self.name = name
        self._start = start
        self._process: Process | None = None
        self._started = 0.0
        self._quick_deaths = 0
        self._start_again = 0.0

    @property
    def runs(self) -> bool:
        """Say whether there is a process, or its end has not been seen yet."""
        return self._process is not None

    def start(self) -> None:
        """Start the process."""
        self._started = time.monotonic()
        self._process = self._start()

    def tend(self, say: Callable[[str], None]) -> None:
        """Start the process again if it has died, after a pause; raise CannotStart."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_again:
                self.start()
            return
        if (status := self._process.status) is None:
            return
        self._process = None
        lived = now - self._started
        self._quick_deaths = self._quick_deaths + 1 if lived < QUICK_SECONDS else 0
        died = f"{self.name} {describe(status)}"
        if self._quick_deaths >= QUICK_DEATHS:
            raise CannotStart(f"{died}, {QUICK_DEATHS} times in a row: giving up")
        pause = FIRST_PAUSE_SECONDS * 2 ** max(0, self._quick_deaths - 1)
        self._start_again = now + pause
        say(f"{died}; starting it again in {pause:g} s")


def describe(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
