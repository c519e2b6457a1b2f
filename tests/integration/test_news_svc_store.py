"""One suite for the feeds, on the fake and on Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from chassis import errors
from chassis.redis import connect
from embedded.ports import free_port
from news_svc.domain import Event, EventType, FollowChange, NewsQuery, Order, Published
from news_svc.store import FeedStore
from tests.fakes.news_svc import FakeFeedStore

LENGTH = 3
Feeds = FeedStore | FakeFeedStore


@pytest.fixture
def client(valkey_url) -> Iterator[Redis]:
    with connect(valkey_url) as client:
        client.flushdb()
        yield client


@pytest.fixture(params=["fake", "valkey"])
def feeds(request) -> Feeds:
    if request.param == "fake":
        return FakeFeedStore()
    return FeedStore(request.getfixturevalue("client"))


def a_published(author: str, version: int, sequence: int, title: str = "Ünïcode ✓") -> Published:
    url = f"https://example.org/{version}"
    event = Event(EventType.LINK_UPDATED, author, url, title, datetime(2026, 1, 1, tzinfo=UTC))
    return Published(event, f"{author}-{version}", version, sequence)


def publish(feeds: Feeds, author: str, version: int, sequence: int, to: str = "bob") -> None:
    published = a_published(author, version, sequence)
    if feeds.record(published, LENGTH):
        feeds.deliver(published, [to], LENGTH)


def read(feeds: Feeds, username: str = "bob", token: str = "", size: int = 100, order="oldest"):
    return feeds.read(NewsQuery.new(username, token, size, Order(order)))


def versions(page) -> list[str]:
    return [f"{event.author} {event.url.rpartition('/')[2]}" for event in page.events]


def test_feed_of_nobody_is_empty(feeds):
    page = read(feeds)
    assert (page.events, page.next_token) == ((), "")


def test_event_comes_back_as_it_was(feeds):
    published = a_published("ann", 1, 1, title='quotes " and \\ and 💡 and \x00')
    feeds.record(published, LENGTH)
    feeds.deliver(published, ["bob"], LENGTH)
    assert read(feeds).events == (published.event,)


def test_feed_has_the_order_of_the_stream(feeds):
    for author, sequence in [("cat", 2**52), ("ann", 7), ("dan", 9)]:
        publish(feeds, author, 1, sequence)
    assert versions(read(feeds)) == ["ann 1", "dan 1", "cat 1"]
    assert versions(read(feeds, order="newest")) == ["cat 1", "dan 1", "ann 1"]


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_pages_follow_each_other(feeds, order):
    for version in range(1, 4):
        publish(feeds, "ann", version, 10 * version)
    first = read(feeds, size=2, order=order)
    second = read(feeds, token=first.next_token, size=2, order=order)
    assert first.events + second.events == read(feeds, order=order).events
    assert len(first.events) == 2
    assert second.next_token == ""


def test_token_goes_on_past_events_that_came_meanwhile(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "ann", 2, 2)
    token = read(feeds, size=1).next_token
    for version in range(3, 7):
        publish(feeds, "ann", version, version)
    assert versions(read(feeds, token=token)) == ["ann 4", "ann 5", "ann 6"]


def test_feed_keeps_the_latest_only(feeds):
    for version in range(1, 7):
        publish(feeds, "ann" if version % 2 else "cat", version, version)
    assert versions(read(feeds)) == ["cat 4", "ann 5", "cat 6"]


def test_redelivery_belongs_into_feeds_and_changes_nothing(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "ann", 2, 2)
    assert feeds.record(a_published("ann", 1, 1), LENGTH)
    publish(feeds, "ann", 1, 1)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]


def test_second_copy_in_the_stream_is_a_duplicate(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "cat", 1, 2)
    assert not feeds.record(a_published("ann", 1, 3), LENGTH)
    assert versions(read(feeds)) == ["ann 1", "cat 1"]


def test_copy_that_comes_after_the_first_is_forgotten_is_a_duplicate(feeds):
    for version in range(1, 6):
        publish(feeds, "ann", version, version)
    assert not feeds.record(a_published("ann", 1, 6), LENGTH)
    assert not feeds.record(a_published("ann", 1, 1), LENGTH)


def test_event_on_its_way_is_not_read_half(feeds):
    for version in range(1, 4):
        publish(feeds, "ann", version, version)
    feeds.record(a_published("ann", 4, 4), LENGTH)  # and the delivery still to come
    first = read(feeds, size=1)
    assert versions(first) == ["ann 2"]
    assert versions(read(feeds, token=first.next_token)) == ["ann 3"]


def test_following_gathers_the_latest(feeds):
    for version in range(1, 6):
        publish(feeds, "ann", version, version, to="cat")
    assert feeds.follow(FollowChange("bob", "ann", True, 1))
    feeds.gather("bob", ["ann", "nobody"], LENGTH)
    assert versions(read(feeds)) == ["ann 3", "ann 4", "ann 5"]


def test_gathering_keeps_the_latest_of_all(feeds):
    for sequence, author in enumerate(["ann", "cat", "ann", "cat", "ann"], start=1):
        publish(feeds, author, sequence, sequence, to="dan")
    feeds.gather("bob", ["ann", "cat"], LENGTH)
    assert versions(read(feeds)) == ["ann 3", "cat 4", "ann 5"]


def test_leaving_takes_only_that_author_out(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "ann-b", 1, 2)
    publish(feeds, "an", 1, 3)
    assert feeds.follow(FollowChange("bob", "ann", False, 2))
    assert versions(read(feeds)) == ["ann-b 1", "an 1"]


def test_nothing_brings_back_an_author_who_was_left(feeds):
    publish(feeds, "ann", 1, 1)
    feeds.follow(FollowChange("bob", "ann", False, 2))
    publish(feeds, "ann", 2, 2)
    feeds.gather("bob", ["ann"], LENGTH)
    assert read(feeds).events == ()


def test_following_again_opens_the_feed_again(feeds):
    publish(feeds, "ann", 1, 1)
    for version, follows in [(1, True), (2, False), (3, True)]:
        feeds.follow(FollowChange("bob", "ann", follows, version))
    publish(feeds, "ann", 2, 2)
    assert versions(read(feeds)) == ["ann 2"]


def test_follow_change_that_is_stale_is_dropped_and_the_last_may_repeat(feeds):
    assert feeds.follow(FollowChange("bob", "ann", True, 9))
    assert feeds.follow(FollowChange("bob", "ann", False, 10))
    assert feeds.follow(FollowChange("bob", "ann", False, 10))
    assert not feeds.follow(FollowChange("bob", "ann", True, 9))
    assert feeds.follow(FollowChange("bob", "cat", True, 8))


def test_smaller_length_holds_at_once(feeds):
    for version in range(1, 4):
        publish(feeds, "ann", version, version)
    published = a_published("ann", 4, 4)
    feeds.record(published, 1)
    feeds.deliver(published, ["bob"], 1)
    assert versions(read(feeds)) == ["ann 4"]


def test_valkey_that_forgot_the_scripts_is_taught_again(client):
    feeds = FeedStore(client)
    publish(feeds, "ann", 1, 1)
    client.script_flush()
    publish(feeds, "ann", 2, 2)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]


def test_valkey_that_is_away_is_unavailable():
    with connect(f"redis://127.0.0.1:{free_port()}/0") as client:
        with pytest.raises(errors.Unavailable) as refused:
            read(FeedStore(client))
        assert refused.value.code == "feeds_unavailable"


@pytest.mark.parametrize(
    ("setting", "bad", "good"), [("maxmemory", "1mb", "0"), ("min-replicas-to-write", "1", "0")]
)
def test_valkey_that_takes_no_writes_is_unavailable_and_still_read(client, setting, bad, good):
    feeds = FeedStore(client)
    publish(feeds, "ann", 1, 1)
    client.config_set(setting, bad)
    try:
        with pytest.raises(errors.Unavailable):
            publish(feeds, "ann", 2, 2)
        assert versions(read(feeds)) == ["ann 1"]
    finally:
        client.config_set(setting, good)
    publish(feeds, "ann", 2, 2)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]


def test_fault_of_ours_is_not_called_an_outage(client):
    client.set("feed:bob", "no sorted set")
    with pytest.raises(ResponseError):
        read(FeedStore(client))
