"""The feeds, in Valkey: a cache of what the streams say, which may be thrown away.

    author:<name>         sorted set: ids of the author's latest events, by stream sequence
    author-events:<name>  hash: event id → body, of the same events
    author-version:<name> version of the author's latest event; what is not newer is a duplicate
    followers:<name>      hash: user → version of the event by which they last began to follow the
                          author; negative: by which they left
    feed:<user>           sorted set: "<author>/<event id>", by stream sequence

Authors' sets and feeds are cut to the same length N, and therefore no feed needs a body that its
author's hash has dropped: N events of that author are newer, and whoever follows the author has
those N in the feed, so that the older one is not among the feed's N latest. In the moment between
an event's ``record`` and its ``deliver`` a feed still holds such an event; ``read`` passes over it.

Several processes may work on one feed at a time (a frozen replica wakes up; link events go to one
and follow events to another). Each script is atomic, and they suit each other in any order:

- an event is recorded before its author's followers are asked for, so somebody who follows in
  between is among the followers or gathers it from the author's latest;
- who leaves is noted in ``followers``, so neither a late delivery nor a late gathering brings the
  author back;
- what a script adds belongs to the feed, and it cuts from the old end only; leaving makes room
  there, and gathering from everybody still followed fills it.

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
from news_svc.domain import Event, EventType, FollowChange, NewsQuery, Page, Published

_log = logging.getLogger(__name__)


class FeedStore:
    """What every author did last, and every user's feed of it, ``length`` events each."""

    def __init__(self, client: Redis) -> None:
        self._record = _script(client, "record")
        self._deliver = _script(client, "deliver")
        self._follow = _script(client, "follow")
        self._gather = _script(client, "gather")
        self._read = _script(client, "read")

    def record(self, published: Published, length: int) -> bool:
        """Keep an event among its author's latest; False for a duplicate, which no feed needs.

        True for a redelivery, whose first delivery may have died half-way.
        """
        event, place = published.event, (published.id, published.sequence, published.version)
        return bool(self._record(length, event.author, *place, _body(event)))

    def deliver(self, published: Published, followers: Sequence[str], length: int) -> None:
        """Write an event into the feeds of a page of followers, at its place in the stream."""
        author, member = published.event.author, f"{published.event.author}/{published.id}"
        self._deliver(length, author, member, published.sequence, *followers)

    def follow(self, change: FollowChange) -> bool:
        """Note who follows whom; leaving takes the author out of the feed.

        False if a later change of the two is known already.
        """
        version = change.version if change.follows else -change.version
        return bool(self._follow(change.follower, change.followed, version))

    def gather(self, follower: str, authors: Sequence[str], length: int) -> None:
        """Bring the latest events of these authors into a feed, except of those who were left."""
        self._gather(length, follower, *authors)

    def read(self, query: NewsQuery) -> Page:
        """Read a page, in one round trip."""
        after = "" if query.after is None else query.after
        found = self._read(query.username, query.page_size + 1, query.order, after)
        places = zip(found[::2], found[1::2], strict=True)
        return Page.of(query, [(int(sequence), _event(body)) for sequence, body in places])


def _script(client: Redis, name: str) -> Callable[..., Any]:
    """Load a script of ``lua/``; calling it raises Unavailable while Valkey is away or full."""
    script = client.register_script((files(__package__) / "lua" / f"{name}.lua").read_text())

    def run(*arguments: str | int) -> Any:
        try:
            return script(args=arguments)
        except RedisError as error:
            if not may_pass(error):
                raise
            _log.warning("Valkey did not do %s: %s", name, error)
            raise errors.Unavailable("feeds_unavailable", "The news are away for now.") from None

    return run


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
