"""What is said in the log while something is missing: one line, and one when it is there."""

import logging
import time

log = logging.getLogger(__name__)

_quiet_until = float("-inf")


def be_quiet(seconds: float) -> None:
    """Say nothing for so long: where all start together, what is missing comes in a moment."""
    global _quiet_until
    _quiet_until = time.monotonic() + seconds


class Outage:
    """One thing that a service cannot do without; ``what`` names it for people, without secrets."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._said: set[str] = set()

    def begin(self, why: str, kind: str = "") -> None:
        """Say what is missing and why, once for each kind of cause.

        Who knows no kind knows no better than those who do, and speaks only as the first.
        """
        if kind in self._said or (self._said and not kind):
            return
        if time.monotonic() < _quiet_until:
            return
        self._said.add(kind)
        log.warning("waiting for %s: %s", self.what, why)

    def end(self) -> None:
        """Say that it is there, if it was said to be missing."""
        if self._said:
            self._said.clear()
            log.info("no longer waiting for %s", self.what)
