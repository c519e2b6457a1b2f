"""A green thread that waits for one thing, which the hub brings it without a detour."""

from typing import Any

import greenlet
from eventlet import hubs

_NOTHING = object()


class Arrival:
    """Waited for by one green thread, brought once.

    eventlet's Event has the hub make a timer and one more turn for each.
    """

    __slots__ = ("_brought", "_thread")

    def __init__(self) -> None:
        self._brought: Any = _NOTHING
        self._thread: Any = None

    def bring(self, what: Any) -> None:
        """Let the thread that waits go on with it, now if this is the hub that brings it."""
        if self._brought is not _NOTHING:
            return
        self._brought = what
        hub = hubs.get_hub()
        if greenlet.getcurrent() is hub.greenlet:
            self._resume()
        elif self._thread is not None:
            hub.schedule_call_global(0, self._resume)

    def _resume(self) -> None:
        # Only out of this wait: the thread may have left it meanwhile.
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.switch()

    def wait(self) -> Any:
        """Return what is brought."""
        if self._brought is _NOTHING:
            self._thread = greenlet.getcurrent()
            try:
                hubs.get_hub().switch()
            finally:
                self._thread = None
        return self._brought
