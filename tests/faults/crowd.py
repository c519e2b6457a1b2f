"""People in great number, who follow somebody: written where the services keep them.

Each has a feed, as if it had been read: what is delivered to a feed that nobody has read yet is
nothing, because such a feed is made when it is read.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from redis import Redis

from news_svc.domain import NewsQuery, Order
from news_svc.store import FeedStore
from tests.e2e.system import System

_AT_ONCE = 5000
_LENGTH = 1000


class Crowd:
    """``count`` people who follow the authors."""

    def __init__(self, system: System, name: str, count: int) -> None:
        self._system = system
        self.names = [f"{name}-{number}" for number in range(count)]

    def follow(self, *authors: str, read: int = 1) -> None:
        """Let all of them follow these authors, who have done nothing yet.

        Each has a feed, or every so many-th.
        """
        port = self._system.port("EMBEDDED.POSTGRES_PORT")
        uri = f"postgresql://social_graph_svc@127.0.0.1:{port}/social_graph_svc"
        with psycopg2.connect(uri) as connection, connection.cursor() as cursor:
            rows = [(name, author) for author in authors for name in self.names]
            statement = "INSERT INTO follows (follower, followed) VALUES %s"
            execute_values(cursor, statement, rows, page_size=_AT_ONCE)
        connection.close()
        with self._valkey() as valkey:
            store = FeedStore(valkey)
            for name in self.names[::read]:
                if begun := store.begin(name):
                    store.complete(name, begun)

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
    def _valkey(self) -> Iterator[Any]:
        port = self._system.port("EMBEDDED.VALKEY_PORT")
        with Redis(port=port, decode_responses=True) as valkey:
            yield valkey
