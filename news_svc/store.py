"""The feeds, in Valkey: a cache of what the streams say, which may be thrown away.

    author:<name>         sorted set: ids of the author's latest events, by stream sequence
    author-events:<name>  hash: event id → body, for the same events
    author-version:<name> version of the author's latest event; what is not newer is a duplicate
    feed:<user>           sorted set: "<author>/<event id>", by stream sequence
    follows:<user>        hash: author → version of the last change, negative: left

Authors' sets and feeds are cut to the same length N, and therefore no feed needs a body that its
author's hash has dropped: N events of that author are newer, and whoever follows the author has
those N in the feed, so that the older one is not among the feed's N latest. In the moment between
an event's ``record`` and its ``deliver`` a feed still holds such an event; ``read`` passes over it.

Several processes may work on one feed at a time (a frozen replica wakes up, link events go to one
and follow events to another); each script is atomic, and they suit each other in any order:

- an event is recorded before its author's followers are asked for, so somebody who follows in
  between is either among the followers or gathers it from the author's latest;
- who leaves is noted in ``follows``, so neither a late delivery nor a late gathering brings the
  author back;
- what a script adds always belongs to the feed, and it cuts from the old end only; leaving makes
  room there, and gathering from everybody still followed fills it.

In a Valkey cluster the keys that one script touches would need hash tags to live on one node.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis import errors
from news_svc.domain import Event, EventType, FollowChange, NewsQuery, Page, Published

_Script = Callable[[Sequence[str], Sequence[str | int]], Any]


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
        author = published.event.author
        keys = [f"author:{author}", f"author-events:{author}", f"author-version:{author}"]
        place = (published.id, published.sequence, published.version)
        return bool(self._record(keys, [*place, _body(published.event), length]))

    def deliver(self, published: Published, followers: Sequence[str], length: int) -> None:
        """Write an event into the feeds of these followers, at its place in the stream."""
        author = published.event.author
        keys = [key for name in followers for key in (f"feed:{name}", f"follows:{name}")]
        member = f"{author}/{published.id}"
        self._deliver(keys, [author, member, published.sequence, length])

    def follow(self, change: FollowChange) -> bool:
        """Note who follows whom; leaving empties the feed of the author.

        False if a later change of the two is known already.
        """
        keys = [f"follows:{change.follower}", f"feed:{change.follower}"]
        direction = 1 if change.follows else -1
        return bool(self._follow(keys, [change.followed, change.version, direction]))

    def gather(self, follower: str, authors: Sequence[str], length: int) -> None:
        """Bring the latest events of these authors into a feed, except of those who were left."""
        keys = [f"feed:{follower}", f"follows:{follower}", *(f"author:{name}" for name in authors)]
        self._gather(keys, [length, *authors])

    def read(self, query: NewsQuery) -> Page:
        """Read a page in one round trip."""
        after = "" if query.after is None else query.after
        found = self._read([f"feed:{query.username}"], [query.page_size + 1, query.order, after])
        places = zip(found[::2], found[1::2], strict=True)
        return Page.of(query, [(int(sequence), _event(body)) for sequence, body in places])


def _script(client: Redis, name: str) -> _Script:
    """Load a script that stands beside this file; a Valkey that is away is ``Unavailable``."""
    script = client.register_script((files(__package__) / "lua" / f"{name}.lua").read_text())

    def run(keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        try:
            return script(keys, arguments)
        except (RedisConnectionError, RedisTimeoutError):
            raise errors.Unavailable("feeds_unavailable", "The news are away for now.") from None

    return run


def _body(event: Event) -> str:
    return json.dumps(
        {
            "type": event.type,
            "author": event.author,
            "url": event.url,
            "title": event.title,
            "time": event.time.isoformat(),
        }
    )


def _event(body: str) -> Event:
    fields = json.loads(body)
    return Event(
        type=EventType(fields["type"]),
        author=fields["author"],
        url=fields["url"],
        title=fields["title"],
        time=datetime.fromisoformat(fields["time"]),
    )
