"""What the feeds take of Valkey's memory: docs/performance.md, "Memory of the feeds".

``pytest -s tests/integration/test_news_svc_memory.py`` prints what is measured.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis

from chassis.redis import connect
from news_svc.domain import Event, EventType, Published
from news_svc.store import FeedStore

LENGTH = 1000
FOLLOWERS = [f"follower-{number}" for number in range(100)]
URL = "https://en.wikipedia.org/wiki/Skip_list_with_a_longer_name/{}"  # 60 characters
TITLE = "A title as people give it: what the page is about, in brief"


@pytest.fixture
def client(valkey_url: str) -> Iterator[Redis]:
    with connect(valkey_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def feeds(client: Redis) -> FeedStore:
    feeds = FeedStore(client)
    feeds.open(0, feeds.moment())
    feeds.restore("ann", [], feeds.moment(), LENGTH)
    return feeds


def begin(feeds: FeedStore) -> None:
    for name in FOLLOWERS:
        feeds.complete(name, feeds.begin(name))


def size(client: Redis, *keys: str) -> int:
    """Return how many bytes keys take, with what Valkey needs to find them."""
    return sum(client.memory_usage(key, samples=0) or 0 for key in keys)


def record(feeds: FeedStore, first: int, last: int) -> list[tuple[Published, int]]:
    events = []
    for version in range(first, last + 1):
        now = datetime(2026, 1, 1, tzinfo=UTC)
        event = Event(EventType.LINK_ADDED, "ann", URL.format(version), TITLE, now)
        published = Published(event, f"id-{version}", version, 1_790_000_000_000 + version)
        events.append((published, feeds.record(published, LENGTH)))
    return events


@pytest.mark.parametrize("items", [10, 100, 1000])
def test_an_item_of_a_feed_is_small(client: Redis, feeds: FeedStore, items: int) -> None:
    keys = [f"news:{name}" for name in FOLLOWERS]
    begin(feeds)
    empty = size(client, *keys) / len(keys)
    for one in record(feeds, 1, items):  # each by itself, as they come
        feeds.deliver([one], FOLLOWERS, LENGTH)
    whole = size(client, *keys) / len(keys)
    print(f"\na feed: {empty:.0f} bytes; with {items} items {whole:.0f}: {whole / items:.1f} each")
    assert 11 * items < whole < 160 + 23 * items
    assert empty < 160


def test_an_author_whose_events_are_taken_in_is_small(client: Redis, feeds: FeedStore) -> None:
    keys = [f"pulls:{name}" for name in FOLLOWERS]
    begin(feeds)
    feeds.mark("ann", feeds.pull("ann"), FOLLOWERS)
    each = size(client, *keys) / len(keys)
    print(f"\nfor each follower of a pulled author: {each:.0f} bytes, however many events")
    assert 11 < each < 160


def test_an_event_is_kept_once(client: Redis, feeds: FeedStore) -> None:
    record(feeds, 1, LENGTH)
    each = size(client, "latest:ann", "events:ann") / LENGTH
    print(f"\nan event with {len(URL) + len(TITLE)} characters of text: {each:.0f} bytes")
    assert len(URL) + len(TITLE) < each < 400
