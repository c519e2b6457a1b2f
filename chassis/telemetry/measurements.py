"""Numbers that have to be asked for elsewhere: in the database, or in the log of events.

An extension with a ``measure()`` method is asked when somebody reads the metrics.
"""

import logging
import time
from typing import Any

import eventlet
from eventlet.semaphore import Semaphore
from nameko.extensions import SharedExtension

MEASURE_SECONDS = 1.0
FRESH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Measurement:
    """One number that was asked for; None when the last answer is too old to be told."""

    def __init__(self) -> None:
        self._value = 0.0
        self._taken = float("-inf")

    def take(self, value: float) -> None:
        """Keep the answer."""
        self._value = value
        self._taken = time.monotonic()

    def read(self) -> float | None:
        """Return the number: nothing is better than what may long be false."""
        is_old = time.monotonic() - self._taken > FRESH_SECONDS + MEASURE_SECONDS
        return None if is_old else self._value


class Measurements(SharedExtension):
    """All that a service measures, measured every few seconds at most, whoever wants to know."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = Semaphore()
        self._asked = float("-inf")

    def refresh(self) -> None:
        """Have everything measured side by side, and wait for it for a second at most."""
        with self._turn:
            if time.monotonic() - self._asked > FRESH_SECONDS:
                measuring = [
                    eventlet.spawn(_measure, extension)
                    for extension in self.container.extensions
                    if hasattr(extension, "measure")
                ]
                for each in measuring:
                    each.wait()
                self._asked = time.monotonic()


def _measure(extension: Any) -> None:
    try:
        with eventlet.Timeout(MEASURE_SECONDS):
            extension.measure()
    except (Exception, eventlet.Timeout) as error:
        _log.debug("%s cannot be measured: %s", type(extension).__name__, error)
