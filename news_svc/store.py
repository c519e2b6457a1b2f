"""The feeds, in Valkey: a cache of what the streams say, which may be thrown away.

    latest:<name>    sorted set: the sequences, in the stream, of an author's latest events
    events:<name>    hash: sequence → body, of the same events; "" → version of the last;
                     "hidden <URL>" → where in the stream that link was hidden last, and
                     "hides", where there ever was one;
                     "pulled" → whether some or all feeds take these events when they are read
    news:<user>      a feed: eleven bytes for each event, its sequence and its author's number
    pulls:<user>     from which authors the feed takes events, and up to which sequence it has
    authors          hash: name → number, "#<number>" → name
    gone:<SHA-1 of name>  for a day: up to which sequence somebody's events are not taken in
    news-clock       hash: the time (see lua/clock.lua), since when, and of which server;
                     the horizon, up to which all feeds have all events

Authors' sets and feeds are cut to the same length N, and therefore no feed needs a body that its
author's hash has dropped: N events of that author are newer, and whoever follows the author has
those N in the feed, so that the older one is not among the feed's N latest. Between an event's
``record`` and its ``deliver`` a feed still holds such an event; ``read`` passes over it.

An author whom many follow is not delivered: each feed takes that author's events when it is read.
The feeds are told so once (``pull``, ``mark`` for each, ``pulled``), and those that are made later
learn it when they gather. It may always be delivered as well, since a feed has an event once.

A link that its author hides is in nobody's feed from the moment of that event's ``record``: neither
that event nor any of the same link before it is read. They keep their places, so that no feed needs
an event that it has dropped, and hiding writes to no feed what is not written anyway.

Events that follow each other in the stream are written together, author by author. Readers see them
when all are in all feeds: nobody who goes on from a later one misses an earlier one.

Whatever is lost is known to be lost, and refused with ``Lost``: each feed and each author's set
begins by saying since when it is there, and one from before the present epoch is none. A feed says
from how many authors it takes events. Whoever is refused makes it anew, from the stream. So a feed
that nobody has read for ``idle_seconds`` may go.

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
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from chassis import errors
from chassis.redis import Script, may_pass
from news_svc.domain import Event, EventType, NewsQuery, Page, Published

_log = logging.getLogger(__name__)

_PARTS = {
    "moment": (),
    "forget": (),
    "record": ("authors",),
    "restore": ("authors",),
    "pushed": ("authors",),
    "deliver": ("authors", "feeds"),
    "pull": ("authors",),
    "mark": ("authors", "feeds"),
    "pulled": ("authors",),
    "begin": ("feeds",),
    "gather": ("authors", "feeds"),
    "complete": ("feeds",),
    "drop": ("feeds",),
    "read": ("authors", "feeds"),
    "open": (),
    "advance": (),
    "vanish": ("feeds",),
}
IDLE_SECONDS = 30 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Body = tuple[int, EventType, str, str, int]  # version, type, URL, title, microseconds since 1970
_ROWS = msgspec.json.Decoder(list[tuple[int, str, Body]])


class Lost(Exception):
    """What a call needs is not in Valkey, or not any more: make it anew."""


class FeedStore:
    """What every author did last, and every user's feed of it, ``length`` events each."""

    def __init__(self, client: Redis, idle_seconds: int = IDLE_SECONDS) -> None:
        self._client = client
        self._idle_seconds = idle_seconds
        self._scripts = {name: _script(client, name) for name in _PARTS}

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
        (moment,), _ = self._record([published], length, restored)
        if moment < 0:
            raise Lost(published.event.author)
        return moment

    def record_all(
        self, published: Sequence[Published], length: int
    ) -> tuple[list[int | None], set[str]]:
        """Do as ``record`` for each event, in one round trip; None is where that raises Lost.

        Return also which of the authors are not to be delivered: see ``pushed``.
        """
        moments, pulled = self._record(published, length, False)
        return [moment if moment >= 0 else None for moment in moments], set(pulled)

    def _record(
        self, published: Sequence[Published], length: int, restored: bool
    ) -> tuple[list[int], list[str]]:
        rows = (part for one in published for part in _row(one))
        moments, pulled = self._run("record", length, int(restored), *rows)
        return moments, pulled

    def restore(self, author: str, latest: Sequence[Published], moment: int, length: int) -> None:
        """Put an author's latest events back, as they were read from the stream after a moment.

        Raise Lost if the store has lost something since that moment.
        """
        version = latest[-1].version if latest else 0
        rows = [part for one in latest for part in (one.sequence, one.version, _body(one))]
        if not self._run("restore", author, moment, version, length, *rows):
            raise Lost(author)

    def pushed(self, authors: Collection[str]) -> set[str]:
        """Return those of the authors whose events are to be delivered."""
        return set(self._run("pushed", *authors))

    def deliver(
        self,
        recorded: Sequence[tuple[Published, int]],
        followers: Sequence[str],
        length: int,
        seen: tuple[int, int] = (0, 0),
    ) -> None:
        """Write an author's events, with the times of their records, into followers' feeds.

        Where they were the last to be written, do as ``advance`` with what is ``seen`` from now on.
        """
        author = recorded[0][0].event.author
        rows = (part for one, moment in recorded for part in (moment, one.sequence))
        if not self._run("deliver", length, author, *seen, len(recorded), *rows, *followers):
            raise Lost

    def pull(self, author: str) -> int:
        """Let feeds that are made from now on take an author's events when they are read.

        Return the time, for ``mark`` and ``pulled``. Raise Lost where the author is.
        """
        moment = int(self._run("pull", author))
        if not moment:
            raise Lost(author)
        return moment

    def mark(self, author: str, moment: int, followers: Sequence[str]) -> None:
        """Let these feeds take the author's events when they are read."""
        self._run("mark", author, moment, *followers)

    def pulled(self, author: str, moment: int) -> None:
        """Deliver the author's events no more, since all feeds were marked after a moment.

        Raise Lost if the store has lost something since.
        """
        if not self._run("pulled", author, moment):
            raise Lost(author)

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
        begun = self._run("begin", username, self._idle_seconds)
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

    def read(self, query: NewsQuery, length: int) -> Page:
        """Read a page, in one round trip; raise Lost if the feed is lost."""
        after = "" if query.after is None else query.after
        asked = query.username, query.page_size + 1, query.order, after
        found = self._run("read", length, *asked, self._idle_seconds)
        if found is None:
            raise Lost(query.username)
        rows = _ROWS.decode(found)
        return Page.of(query, [(place, _event(author, body)) for place, author, body in rows])

    def _run(self, name: str, *arguments: str | int) -> Any:
        """Run a script of ``lua/``; raise Unavailable while Valkey is away or full."""
        try:
            return self._scripts[name](*arguments)
        except RedisError as error:
            if not may_pass(error):
                raise
            _log.warning("Valkey did not do %s: %s", name, error)
            raise errors.Unavailable("feeds_unavailable", "The news are away for now.") from None


def _script(client: Redis, name: str) -> Script:
    parts = ("clock", *_PARTS[name], name)
    texts = ((files(__package__) / "lua" / f"{part}.lua").read_text() for part in parts)
    return Script(client, "\n".join(texts))


def _row(published: Published) -> tuple[str | int, ...]:
    return published.event.author, published.sequence, published.version, _body(published)


def _body(published: Published) -> str:
    event = published.event
    time = (event.time - _EPOCH) // _MICROSECOND
    fields = [published.version, event.type, event.url, event.title, time]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _event(author: str, body: Body) -> Event:
    _version, kind, url, title, time = body
    return Event(kind, author, url, title, _EPOCH + timedelta(microseconds=time))
