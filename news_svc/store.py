"""The feeds, in Valkey: a cache of what the streams say, which may be thrown away.

    author:<name>         sorted set: ids of the author's latest events, by stream sequence
    author-events:<name>  hash: event id → body, of the same events; "" → version of the last;
                          "hidden <URL>" → where in the stream that link was hidden last
    feed:<user>           sorted set: "<author>/<event id>", by stream sequence
    gone:<SHA-1 of name>  for a day: up to which sequence somebody's events are not taken in
    clock                 hash: the time (see lua/clock.lua), since when, and of which server;
                          the horizon, up to which all feeds have all events

Authors' sets and feeds are cut to the same length N, and therefore no feed needs a body that its
author's hash has dropped: N events of that author are newer, and whoever follows the author has
those N in the feed, so that the older one is not among the feed's N latest. Between an event's
``record`` and its ``deliver`` a feed still holds such an event; ``read`` passes over it.

A link that its author hides is in nobody's feed from the moment of that event's ``record``: neither
that event nor any of the same link before it is read. They keep their places, so that no feed needs
an event that it has dropped, and hiding writes to no feed what is not written anyway.

Events that follow each other in the stream are written together, author by author. Readers see them
when all are in all feeds: nobody who goes on from a later one misses an earlier one.

Whatever is lost is known to be lost, and refused with ``Lost``: each set begins with a member below
all events that says since when the set is there (score: minus the time), and a set without, or
from before the present epoch, is none. Whoever is refused makes the set anew, from the stream.

Several processes may work on one feed at a time (a frozen replica wakes up; two readers find it
lost). Each script is atomic, and they suit each other in any order:

- an event is recorded before its author's followers are asked for, and a feed is begun before its
  owner's authors are asked for: so one of the two has the other, whoever is first;
- an event is not delivered into a feed that was begun after its record: that feed has gathered it,
  or its owner has left the author meanwhile;
- an epoch begins with a horizon, at the end of the stream as it was then. Feeds and authors' latest
  are made after that, of all that the stream has, also beyond the horizon: so a complete feed has
  all that its readers may see;
- whenever its owner follows or leaves somebody, the feed is dropped. It is made anew, and what was
  under way for the one before finds that it is not the same.

The scripts are given names and make keys of them: a thousand keys a call would cost more than the
work. In a Valkey cluster, the keys that one script touches would need to live on one node.
"""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from chassis import errors
from chassis.redis import may_pass
from news_svc.domain import Event, EventType, NewsQuery, Page, Published

_log = logging.getLogger(__name__)

_SCRIPTS = (
    "moment",
    "forget",
    "record",
    "restore",
    "deliver",
    "begin",
    "gather",
    "complete",
    "drop",
    "read",
    "open",
    "advance",
    "vanish",
)


class Lost(Exception):
    """What a call needs is not in Valkey, or not any more: make it anew."""


class FeedStore:
    """What every author did last, and every user's feed of it, ``length`` events each."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = {name: _script(client, name) for name in _SCRIPTS}

    def moment(self) -> int:
        """Return the time, as the store counts it."""
        return int(self._run("moment"))

    def forget(self) -> None:
        """Lose everything."""
        self._run("forget")

    def record(self, published: Published, length: int, restored: bool = False) -> int:
        """Keep an event among its author's latest; return the time, for ``deliver``.

        Return 0 for a duplicate, which no feed needs, but the time again for a redelivery, whose
        first delivery may have died half-way. Raise Lost where the author's latest are to be
        restored first; once they are ``restored``, versions that are missing are in no stream.
        """
        moment = int(self._run("record", *_row(published, length, restored)))
        if moment < 0:
            raise Lost(published.event.author)
        return moment

    def record_all(self, published: Sequence[Published], length: int) -> list[int | None]:
        """Do as ``record`` for each event, in one round trip; None is where that raises Lost."""
        pipeline = self._client.pipeline(transaction=False)
        for one in published:
            self._scripts["record"](args=_row(one, length), client=pipeline)
        moments = self._answered("record", pipeline.execute)
        return [moment if moment >= 0 else None for moment in map(int, moments)]

    def restore(self, author: str, latest: Sequence[Published], moment: int, length: int) -> None:
        """Put an author's latest events back, as they were read from the stream after a moment.

        Raise Lost if the store has lost something since that moment.
        """
        version = latest[-1].version if latest else 0
        rows = [part for one in latest for part in (one.id, one.sequence, _body(one.event))]
        if not self._run("restore", author, moment, version, length, *rows):
            raise Lost(author)

    def deliver(
        self, recorded: Sequence[tuple[Published, int]], followers: Sequence[str], length: int
    ) -> None:
        """Write an author's events, with the times of their records, into followers' feeds."""
        rows = (
            part
            for one, moment in recorded
            for part in (moment, f"{one.event.author}/{one.id}", one.sequence)
        )
        self._run("deliver", length, len(recorded), *rows, *followers)

    def open(self, sequence: int, moment: int) -> None:
        """Begin with a horizon: the stream's last event, as it was after a moment.

        An older horizon stays. Raise Lost if the store has lost something since that moment.
        """
        if not self._run("open", sequence, moment):
            raise Lost

    def advance(self, sequence: int, moment: int) -> None:
        """Let readers see what is delivered, up to a sequence; the first was recorded at a moment.

        Raise Lost if the store has lost something since, or there is no horizon.
        """
        if not self._run("advance", sequence, moment):
            raise Lost

    def begin(self, username: str) -> int:
        """Begin a lost feed, or join in making it; return which one it is, 0 if it is complete.

        Raise Lost where there is no horizon.
        """
        begun = self._run("begin", username)
        if begun is None:
            raise Lost
        return int(begun)

    def gather(
        self, username: str, begun: int, authors: Sequence[str], length: int
    ) -> Sequence[str]:
        """Bring the latest events of these authors into a feed that was begun.

        Return the authors whose latest are to be restored first. Raise Lost if the feed is lost.
        """
        lost: list[str] | None = self._run("gather", length, username, begun, *authors)
        if lost is None:
            raise Lost(username)
        return lost

    def complete(self, username: str, begun: int) -> None:
        """Let a feed be read, which has gathered from everybody; raise Lost if it is lost."""
        if not self._run("complete", username, begun):
            raise Lost(username)

    def drop(self, username: str) -> None:
        """Lose a feed."""
        self._run("drop", username)

    def vanish(self, username: str, sequence: int) -> None:
        """Keep nothing of a person, and take in none of their events up to a sequence."""
        self._run("vanish", username, sequence)

    def read(self, query: NewsQuery) -> Page:
        """Read a page, in one round trip; raise Lost if the feed is lost."""
        after = "" if query.after is None else query.after
        found = self._run("read", query.username, query.page_size + 1, query.order, after)
        if found is None:
            raise Lost(query.username)
        places = zip(found[::2], found[1::2], strict=True)
        return Page.of(query, [(int(sequence), _event(body)) for sequence, body in places])

    def _run(self, name: str, *arguments: str | int) -> Any:
        """Run a script of ``lua/``; raise Unavailable while Valkey is away or full."""
        return self._answered(name, lambda: self._scripts[name](args=arguments))

    def _answered(self, name: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except RedisError as error:
            if not may_pass(error):
                raise
            _log.warning("Valkey did not do %s: %s", name, error)
            raise errors.Unavailable("feeds_unavailable", "The news are away for now.") from None


def _script(client: Redis, name: str) -> Callable[..., Any]:
    texts = ((files(__package__) / "lua" / f"{each}.lua").read_text() for each in ("clock", name))
    return client.register_script("\n".join(texts))


def _row(published: Published, length: int, restored: bool = False) -> tuple[str | int, ...]:
    event, place = published.event, (published.id, published.sequence, published.version)
    return length, event.author, *place, _body(event), int(restored)


def _body(event: Event) -> str:
    fields = {
        "type": event.type,
        "author": event.author,
        "url": event.url,
        "title": event.title,
        "time": event.time.isoformat(),
    }
    return json.dumps(fields)


def _event(body: str) -> Event:
    fields = json.loads(body)
    return Event(
        type=EventType(fields["type"]),
        author=fields["author"],
        url=fields["url"],
        title=fields["title"],
        time=datetime.fromisoformat(fields["time"]),
    )
