"""Feeds made from the log, with a real NATS and a real Valkey."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from nameko import config
from redis import Redis

from chassis import nats, streams
from chassis.errors import Unavailable
from chassis.events import Event as CloudEvent
from chassis.redis import connect
from chassis.streams import reads
from news_svc import history
from news_svc.domain import MAX_SEQUENCE, NewsQuery, Order, Published, firsts
from news_svc.feeds import Feeds
from news_svc.history import History
from news_svc.store import FeedStore
from tests.fakes.news_svc import FakeSocialGraph
from tests.processes import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = 1000


class Log(History):
    """A log as it is, or as it was when it ended at a sequence."""

    given = MAX_SEQUENCE

    def __init__(self) -> None:
        super().__init__(f"links-{uuid4().hex}")
        assert nats.streams().wait_connected(5)
        streams.ensure_consumer(self.stream, "news", 2.5, timeout=5)

    def end(self) -> int:
        return min(self.given, super().end())

    def latest(self, author: str, length: int) -> list[Published]:
        if self.given == MAX_SEQUENCE:
            return super().latest(author, length)
        return self.everything(author)[-length:]

    def publish(self, events: Sequence[tuple[str, int]]) -> None:
        """Append events, each an author and a version."""
        for author, version in events:
            link = {"url": f"https://example.org/{version}", "title": "t" * 40}
            data = {"link": link | {"description": "d" * 300}, "version": version}
            event = CloudEvent(f"{author}-{version}", "/test", "link.added", author, NOW, data)
            nats.streams().publish(f"{self.stream}.{author}", event.encode())
        nats.streams().flush(5)
        (author, version), subject = events[-1], f"{self.stream}.{events[-1][0]}"
        end = f'"version":{version}'.encode()
        until(lambda: end in reads.last_of(self.stream, subject, 1, 5)[-1].body)

    def everything(self, author: str) -> list[Published]:
        """Return all of the author's events, one after the other."""
        whole = reads.last_of(self.stream, f"{self.stream}.{author}", 10**6, 5)
        early = [one for one in whole if one.sequence <= self.given]
        return firsts(history._published(early, author), 0)


@pytest.fixture
def log(nats_url: str) -> Log:
    config.update({"NATS_URL": nats_url, "STREAM_REPLICAS": 1})
    return Log()


@pytest.fixture
def client(valkey_url: str) -> Iterator[Redis]:
    with connect(valkey_url) as client:
        client.flushdb()
        yield client


def test_latest_are_those_of_the_whole_history(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are published again, as after a relay's death, and copies come late."""
    monkeypatch.setattr(history, "REPEATED", 8)
    for seed in range(6):
        chance, author, version = random.Random(seed), f"ann{seed}", 0
        events: list[tuple[str, int]] = []
        while len(events) < 120:
            if version > 8 and chance.random() < 0.2:
                version -= chance.randint(1, 8)
            version += 1
            events.append((author, version))
        log.publish(events)
        everything = log.everything(author)
        assert [one.version for one in everything] == list(range(1, len(everything) + 1))
        for length in (1, 3, 10, 200):
            assert log.latest(author, length) == everything[-length:]


def test_what_is_no_event_is_passed_over(log: Log) -> None:
    log.publish([("ann", 1)])
    nats.streams().publish(f"{log.stream}.ann", b"\xff not json")
    log.publish([("ann", 2)])
    assert [one.version for one in log.latest("ann", 5)] == [1, 2]


@pytest.mark.parametrize(("authors", "each"), [(1, 3000), (10, 100)])
def test_lost_feed_is_rebuilt_as_it_was(log: Log, client: Redis, authors: int, each: int) -> None:
    names = [f"author{n}" for n in range(authors)]
    log.publish([(name, version) for version in range(1, each + 1) for name in names])
    graph = FakeSocialGraph()
    graph.pairs = {("bob", name) for name in names}
    feeds = Feeds(FeedStore(client), log, graph, LENGTH)
    before = incremental(log, graph, names, client)
    for lose in (client.flushdb, feeds.forget):
        lose()
        until(lambda: made(feeds, "bob"))
        assert everything_read(feeds) == before


def made(feeds: Feeds, username: str) -> bool:
    """Make a feed, or say that its making goes on."""
    try:
        feeds.make(username)
    except Unavailable:
        return False
    return True


def incremental(log: Log, graph: FakeSocialGraph, names: list[str], client: Redis) -> list[object]:
    """Return the feed as it becomes when events are handled as they come, some at a time."""
    feeds = Feeds(FeedStore(client), log, graph, LENGTH)
    log.given = 0
    feeds.make("bob")
    everything = (one for name in names for one in complete(log, name))
    in_order = sorted(everything, key=lambda one: one.sequence)
    for begin in range(0, len(in_order), 7):
        batch = in_order[begin : begin + 7]
        log.given = batch[-1].sequence
        feeds.publish(batch, graph)
    log.given = MAX_SEQUENCE
    return everything_read(feeds)


def complete(log: Log, name: str) -> list[Published]:
    given, log.given = log.given, MAX_SEQUENCE
    try:
        return log.everything(name)
    finally:
        log.given = given


def everything_read(feeds: Feeds) -> list[object]:
    """Return all pages, with their tokens."""
    pages: list[object] = []
    token = ""
    while True:
        page = feeds.read(NewsQuery.new("bob", token, 100, Order.OLDEST))
        pages.append(page)
        token = page.next_token
        if not token:
            return pages
