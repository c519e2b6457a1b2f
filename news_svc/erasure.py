"""Erasing people who have left: out of the logs of events, the dead letters and the feeds.

Their links and follows are gone by then, all their events are published, and those who followed
them have been told. What is left are the events themselves, and what the store has of them.
"""

import time
from collections.abc import Callable
from typing import Any

import eventlet

from chassis import streams
from chassis.errors import InvalidInput, Unavailable
from chassis.events import Event, letters
from chassis.streams import reads
from chassis.streams.reads import Stored
from news_svc.store import FeedStore

_SECONDS = 2.0
_PAGE = 500
_PATIENCE_SECONDS = 2.0
_POLL_SECONDS = 0.05


class Erasure:
    """Erase people from two streams, each read by a durable consumer; all may be repeated."""

    def __init__(self, store: FeedStore, links: tuple[str, str], follows: tuple[str, str]) -> None:
        self.store = store
        self.links = links
        self.follows = follows

    def erase(self, username: str) -> None:
        """Erase a person; raise Unavailable where it is to be done again."""
        last = self._handled(*self.links)
        last_follow = self._handled(*self.follows)
        # From now on none of these events is taken in, should a process that froze still have one.
        self.store.vanish(username, last)
        streams.purge(self.links[0], f"{self.links[0]}.{username}", last, _SECONDS)
        streams.purge(self.follows[0], f"{self.follows[0]}.{username}", last_follow, _SECONDS)
        _delete(self.follows[0], lambda stored: _names(stored, username))
        _delete(letters.STREAM, lambda stored: _names(stored, username))

    def _handled(self, stream: str, durable: str) -> int:
        """Wait until all of a stream as it is now is handled; return its last sequence."""
        last = reads.last_sequence(stream, _SECONDS)
        end = time.monotonic() + _PATIENCE_SECONDS
        while not reads.has_handled(stream, durable, last, _SECONDS):
            if time.monotonic() > end:
                raise Unavailable("events_under_way", "Events wait to be handled.")
            eventlet.sleep(_POLL_SECONDS)
        return last


def _delete(stream: str, unwanted: Callable[[Stored], bool]) -> None:
    """Take some messages out of a stream, if it is there."""
    if not reads.exists(stream, _SECONDS):
        return
    last = 0
    while page := reads.after(stream, last, _PAGE, _SECONDS):
        last = page[-1].sequence
        for stored in filter(unwanted, page):
            streams.delete(stream, stored.sequence, _SECONDS)


def _names(stored: Stored, username: str) -> bool:
    """Tell whether an event is somebody's, or about them."""
    if f'"{username}"'.encode() not in stored.body:  # quick, as most are somebody else's
        return False
    try:
        event = Event.decode(stored.body)
    except InvalidInput:  # a dead letter may be anything
        return f'"subject":"{username}"'.encode() in stored.body.replace(b" ", b"")
    followed: Any = event.data.get("followed")
    return username in (event.subject, followed)
