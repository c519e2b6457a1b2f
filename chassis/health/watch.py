"""Somebody always asks whether a service is ready, so that what it waits for is in its log.

Most servers are connected when they are first needed. Without a probe and without a caller,
nobody would learn that a password is wrong.
"""

from typing import Any

import eventlet
from nameko.extensions import SharedExtension

from chassis import backoff
from chassis.health.readiness import Readiness
from chassis.outage import be_quiet

# Services start in any order: only what is still missing then is worth a line.
_START_SECONDS = 4.0
_READY_SECONDS = 15.0
_AWAY_SECONDS = (0.5, 2.0)


class Watch(SharedExtension):
    """Ask from the start, and again for as long as the service runs."""

    readiness = Readiness()
    _thread: Any = None

    def start(self) -> None:
        """Begin to ask."""
        be_quiet(_START_SECONDS)
        self._thread = eventlet.spawn(self._run)

    def stop(self) -> None:
        """Ask no more."""
        if self._thread is not None:
            self._thread.kill()

    kill = stop

    def _run(self) -> None:
        failures = 0
        while True:
            failures = failures + 1 if self.readiness.away() else 0
            eventlet.sleep(
                backoff.seconds(failures, *_AWAY_SECONDS)
                if failures
                else backoff.seconds(1, _READY_SECONDS, _READY_SECONDS)
            )
