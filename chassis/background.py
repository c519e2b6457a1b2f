"""Work of a service that goes on by itself: step after step, while there is some."""

import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

import eventlet
from eventlet.event import Event
from nameko.extensions import DependencyProvider

from chassis import backoff
from chassis.bell import Bell
from chassis.errors import ServiceError

IDLE_SECONDS = 5.0  # after which we look whether somebody else has left something lying
STOP_SECONDS = 2.0
_RETRY_SECONDS = (0.2, 5.0)

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """Whoever does it."""

    def step(self) -> bool:
        """Do some, for a fraction of a second; return whether there may be more."""
        ...

    def stop(self) -> None:
        """Leave what is not done to others."""
        ...


class Background(DependencyProvider):
    """Let some workers work, and inject the function that tells them that there is something.

    ``make`` is given the container, once it has started. A step that fails is tried again.
    """

    def __init__(self, make: Callable[[Any], Worker], at_once: int = 1) -> None:
        self.make = make
        self.at_once = at_once

    def setup(self) -> None:
        """Begin with nothing to stop."""
        self._bells: list[Bell] = []
        self._ended: list[Event] = []
        self._stopped = False

    def start(self) -> None:
        """Begin to look for work."""
        for number in range(self.at_once):
            self._bells.append(Bell())
            self._ended.append(Event())
            self.container.spawn_managed_thread(
                lambda number=number: self._run(number), identifier=f"{self.attr_name} {number}"
            )

    def stop(self) -> None:
        """Finish the steps in hand, and leave the rest to others."""
        self._stopped = True
        self.wake()
        end = time.monotonic() + STOP_SECONDS
        for ended in self._ended:
            ended.wait(timeout=max(0.0, end - time.monotonic()))

    def get_dependency(self, worker_ctx: Any) -> Callable[[], None]:
        """Return what wakes the workers."""
        return self.wake

    def wake(self) -> None:
        """Say that there is work."""
        for bell in self._bells:
            bell.ring()

    def _run(self, number: int) -> None:
        worker = self.make(self.container)
        failures = 0
        try:
            while not self._stopped:
                try:
                    more = worker.step()
                except Exception as error:
                    failures += 1
                    if not isinstance(error, ServiceError):
                        _log.exception("%s failed, and is tried again", self.attr_name)
                    self._bells[number].wait(backoff.seconds(failures, *_RETRY_SECONDS))
                    continue
                failures = 0
                if more:
                    eventlet.sleep(0)
                else:
                    self._bells[number].wait(IDLE_SECONDS)
            worker.stop()
        except Exception:
            _log.exception("%s did not end well", self.attr_name)
        finally:
            self._ended[number].send(None)
