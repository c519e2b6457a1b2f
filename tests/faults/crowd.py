"""People in great number, who follow somebody: written where the services keep them.

Each has a feed, as if it had been read: what is delivered to a feed that nobody has read yet is
nothing, because such a feed is made when it is read.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import psycopg2
from redis import Redis

from news_svc.domain import NewsQuery, Order
from news_svc.store import IDLE_SECONDS, FeedStore
from tests.e2e.system import System

_AT_ONCE = 5000
_LENGTH = 1000


class Crowd:
    """``count`` people who follow the authors."""

    def __init__(self, system: System, name: str, count: int) -> None:
        self._system = system
        self.names = [f"{name}-{number}" for number in range(count)]

    def follow(self, *authors: str) -> None:
        """Let all of them follow these authors, who have done nothing yet."""
        port = self._system.port("EMBEDDED.POSTGRES_PORT")
        uri = f"postgresql://social_graph_svc@127.0.0.1:{port}/social_graph_svc"
        with psycopg2.connect(uri) as connection, connection.cursor() as cursor:
            rows = StringIO("".join(f"{n}\t{author}\n" for author in authors for n in self.names))
            cursor.copy_from(rows, "follows", columns=("follower", "followed"))
        connection.close()
        self._begin()

    def _begin(self) -> None:
        """Let each have a feed: an empty one is like another."""
        first, *others = self.names
        with self._valkey() as valkey, self._valkey(decoded=False) as raw:
            store = FeedStore(valkey)
            if not (begun := store.begin(first)):
                return  # they have them
            store.complete(first, begun)
            empty = raw.get(f"news:{first}")
            for start in range(0, len(others), _AT_ONCE):
                pipeline = raw.pipeline(transaction=False)
                for name in others[start : start + _AT_ONCE]:
                    pipeline.set(f"news:{name}", empty, ex=IDLE_SECONDS)
                pipeline.execute()

    def told(self, every: int = 1) -> Iterator[Counter[str]]:
        """Yield for each feed, or for every so many-th, how often each link is told of in it."""
        with self._valkey() as valkey:
            store = FeedStore(valkey)
            for name in self.names[::every]:
                page = store.read(NewsQuery(name, Order.OLDEST, None, _LENGTH), _LENGTH)
                yield Counter(event.url for event in page.events)

    def each_told(self, count: int, every: int = 1) -> bool:
        """Tell whether so many events are in each feed, or in every so many-th."""
        return all(each.total() == len(each) == count for each in self.told(every))

    @contextmanager
    def _valkey(self, decoded: bool = True) -> Iterator[Any]:
        port = self._system.port("EMBEDDED.VALKEY_PORT")
        with Redis(port=port, decode_responses=decoded) as valkey:
            yield valkey
