"""One green thread for each piece of work, however many wait for it."""

from collections.abc import Callable, Hashable

import eventlet
from eventlet.event import Event
from eventlet.semaphore import Semaphore

from chassis.errors import Unavailable

_AT_ONCE = 8
_MOST = 1000


class Once:
    """Work that goes on in the background, known by a key, and done once at a time."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Event] = {}
        self._places = Semaphore(_AT_ONCE)

    def do(self, key: Hashable, work: Callable[[], None], seconds: float) -> None:
        """Begin the work, unless it is under way, and wait for its end; raise what it raises.

        After some seconds raise Unavailable, and let it go on.
        """
        done = self._under_way.get(key) or self._begin(key, work)
        with eventlet.Timeout(seconds, False):
            error = done.wait()
            if error is None:
                return
            raise error
        raise Unavailable("news_under_way", "Your news are being put together; try again.")

    def _begin(self, key: Hashable, work: Callable[[], None]) -> Event:
        if len(self._under_way) >= _MOST:
            raise Unavailable("news_busy", "Too many news are being put together; try again.")
        done = self._under_way[key] = Event()
        eventlet.spawn_n(self._run, key, work, done)
        return done

    def _run(self, key: Hashable, work: Callable[[], None], done: Event) -> None:
        error: BaseException | None = None
        try:
            with self._places:
                work()
        except BaseException as raised:
            error = raised
        del self._under_way[key]
        done.send(error)
