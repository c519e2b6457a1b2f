"""One suite for the feeds, on the fake and on Valkey."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from chassis import errors
from chassis.redis import connect
from embedded.ports import free_port
from news_svc.domain import Event, EventType, NewsQuery, Order, Position, Published
from news_svc.store import FeedStore, Lost
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
    """Return feeds in which bob has one, and nobody has done anything yet."""
    fake = request.param == "fake"
    return opened(FakeFeedStore() if fake else FeedStore(request.getfixturevalue("client")))


def opened(feeds: Feeds) -> Feeds:
    feeds.open(0, feeds.moment())
    for author in ["an", "ann", "ann-b", "cat", "dan"]:
        feeds.restore(author, [], feeds.moment(), LENGTH)
    feeds.complete("bob", feeds.begin("bob"))
    return feeds


def a_published(author: str, version: int, sequence: int, title: str = "Ünïcode ✓") -> Published:
    url = f"https://example.org/{version}"
    event = Event(EventType.LINK_UPDATED, author, url, title, datetime(2026, 1, 1, tzinfo=UTC))
    return Published(event, f"{author}-{version}", version, sequence)


def a_hidden(author: str, version: int, sequence: int, hides: int) -> Published:
    """Return the event that hides what the author's event of another version told of."""
    told = a_published(author, hides, sequence).event
    event = Event(EventType.LINK_HIDDEN, author, told.url, "", told.time)
    return Published(event, f"{author}-{version}", version, sequence)


def publish(feeds: Feeds, author: str, version: int, sequence: int, to: str = "bob") -> None:
    give(feeds, a_published(author, version, sequence), to)


def give(feeds: Feeds, published: Published, to: str = "bob") -> None:
    sequence = published.sequence
    moment = feeds.record(published, LENGTH, restored=True)
    if moment:
        feeds.deliver([(published, moment)], [to], LENGTH)
        feeds.advance(sequence, moment)


def read(feeds: Feeds, username: str = "bob", token: str = "", size: int = 100, order="oldest"):
    return feeds.read(NewsQuery.new(username, token, size, Order(order)), LENGTH)


def versions(page) -> list[str]:
    return [f"{event.author} {event.url.rpartition('/')[2]}" for event in page.events]


def test_feed_of_who_follows_nobody_is_empty(feeds):
    page = read(feeds)
    assert (page.events, page.next_token) == ((), "")


def test_event_comes_back_as_it_was(feeds):
    published = a_published("ann", 1, 1, title='quotes " and \\ and 💡 and \x00')
    moment = feeds.record(published, LENGTH)
    feeds.deliver([(published, moment)], ["bob"], LENGTH)
    feeds.advance(1, moment)
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
    """A8."""
    publish(feeds, "ann", 1, 1)
    publish(feeds, "ann", 2, 2)
    assert feeds.record(a_published("ann", 1, 1), LENGTH)
    publish(feeds, "ann", 1, 1)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]


def test_second_copy_in_the_stream_is_a_duplicate(feeds):
    """A5."""
    publish(feeds, "ann", 1, 1)
    publish(feeds, "cat", 1, 2)
    assert not feeds.record(a_published("ann", 1, 3), LENGTH)
    assert versions(read(feeds)) == ["ann 1", "cat 1"]


def test_who_has_left_is_lost_and_none_of_their_events_is_taken_in_late(feeds):
    for version in (1, 2):
        publish(feeds, "ann", version, version)
    publish(feeds, "cat", 1, 3)
    feeds.vanish("ann", 4)
    with pytest.raises(Lost):  # what was in it of hers has no body any more: it is made anew
        read(feeds)
    assert feeds.record(a_published("ann", 2, 2), LENGTH) == 0
    assert feeds.record(a_published("ann", 3, 4), LENGTH) == 0
    # Whoever has the name next is told of as anybody.
    later = a_published("ann", 1, 5)
    with pytest.raises(Lost):
        feeds.record(later, LENGTH)
    feeds.restore("ann", [], feeds.moment(), LENGTH)
    assert feeds.record(later, LENGTH)


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


def test_batch_is_seen_when_all_of_it_is_delivered(feeds):
    publish(feeds, "ann", 1, 1)
    batch = [a_published("cat", 1, 2), a_published("ann", 2, 3), a_published("cat", 2, 4)]
    moments, _ = feeds.record_all(batch, LENGTH)
    recorded = list(zip(batch, moments, strict=True))
    feeds.deliver([recorded[0], recorded[2]], ["bob"], LENGTH)
    assert versions(read(feeds)) == ["ann 1"]
    assert versions(read(feeds, order="newest")) == ["ann 1"]
    feeds.deliver([recorded[1]], ["bob"], LENGTH)
    feeds.advance(4, min(moments))
    assert versions(read(feeds)) == ["cat 1", "ann 2", "cat 2"]
    feeds.advance(2, min(moments))  # by somebody who was late
    assert versions(read(feeds)) == ["cat 1", "ann 2", "cat 2"]


def test_what_is_delivered_last_is_seen_at_once(feeds):
    publish(feeds, "ann", 1, 1)
    event = a_published("ann", 2, 2)
    moment = feeds.record(event, LENGTH)
    feeds.deliver([(event, moment)], ["bob"], LENGTH, (2, moment))
    assert versions(read(feeds)) == ["ann 1", "ann 2"]
    feeds.forget()
    with pytest.raises(Lost):
        feeds.deliver([(event, moment)], ["bob"], LENGTH, (2, moment))


def test_batch_tells_which_events_lack_what_came_before(feeds):
    publish(feeds, "ann", 1, 1)
    batch = [a_published("ann", version, version) for version in (2, 4, 5)]
    batch += [a_published("eve", 1, 6), a_published("ann", 1, 7)]
    (known, *lost, duplicate), _ = feeds.record_all(batch, LENGTH)
    assert (lost, duplicate) == ([None] * 3, 0)
    assert known


def test_newest_first_goes_on_from_a_token_beyond_what_may_be_seen(feeds):
    publish(feeds, "ann", 1, 1)
    assert versions(read(feeds, token=Position(Order.NEWEST, 9).token, order="newest")) == ["ann 1"]


def test_feed_of_an_epoch_without_a_horizon_is_not_begun(feeds):
    feeds.forget()
    with pytest.raises(Lost):
        feeds.begin("bob")
    feeds.restore("ann", [a_published("ann", 1, 1)], feeds.moment(), LENGTH)
    feeds.open(7, feeds.moment())
    feeds.open(9, feeds.moment())
    # What was restored before may not reach as far as the horizon.
    assert feeds.gather("bob", feeds.begin("bob"), ["ann"], LENGTH) == ["ann"]


def test_new_feed_gathers_the_latest(feeds):
    for version in range(1, 6):
        publish(feeds, "ann", version, version)
    begun = feeds.begin("dave")
    assert feeds.gather("dave", begun, ["ann", "cat"], LENGTH) == []
    feeds.complete("dave", begun)
    assert versions(read(feeds, "dave")) == ["ann 3", "ann 4", "ann 5"]


def test_gathering_keeps_the_latest_of_all(feeds):
    for sequence, author in enumerate(["ann", "cat", "ann", "cat", "ann"], start=1):
        publish(feeds, author, sequence, sequence)
    begun = feeds.begin("dave")
    feeds.gather("dave", begun, ["ann", "cat"], LENGTH)
    feeds.complete("dave", begun)
    assert versions(read(feeds, "dave")) == ["ann 3", "cat 4", "ann 5"]


def test_feed_that_nobody_made_is_lost_and_is_not_begun_by_a_delivery(feeds):
    publish(feeds, "ann", 1, 1, to="dave")
    with pytest.raises(Lost):
        read(feeds, "dave")


def test_feed_is_not_read_before_it_is_complete(feeds):
    begun = feeds.begin("dave")
    with pytest.raises(Lost):
        read(feeds, "dave")
    feeds.complete("dave", begun)
    assert read(feeds, "dave").events == ()


def test_two_make_the_same_feed_together(feeds):
    publish(feeds, "ann", 1, 1)
    begun = feeds.begin("dave")
    assert feeds.begin("dave") == begun
    for _ in range(2):
        feeds.gather("dave", begun, ["ann"], LENGTH)
        feeds.complete("dave", begun)
    assert feeds.begin("dave") == 0
    assert versions(read(feeds, "dave")) == ["ann 1"]


def test_event_reaches_a_feed_that_is_being_made(feeds):
    begun = feeds.begin("dave")
    feeds.gather("dave", begun, ["ann"], LENGTH)
    publish(feeds, "ann", 1, 1, to="dave")
    feeds.complete("dave", begun)
    assert versions(read(feeds, "dave")) == ["ann 1"]


def test_late_delivery_does_not_reach_a_feed_that_was_begun_after_the_record(feeds):
    event = a_published("ann", 1, 1)
    moment = feeds.record(event, LENGTH)
    feeds.drop("bob")  # who leaves ann
    feeds.complete("bob", feeds.begin("bob"))
    feeds.deliver([(event, moment)], ["bob"], LENGTH)
    assert read(feeds).events == ()


def test_what_is_under_way_for_a_dropped_feed_is_refused(feeds):
    begun = feeds.begin("dave")
    feeds.drop("dave")
    for again in (False, True):
        if again:
            feeds.begin("dave")
        with pytest.raises(Lost):
            feeds.gather("dave", begun, ["ann"], LENGTH)
        with pytest.raises(Lost):
            feeds.complete("dave", begun)


def test_everything_forgotten_is_lost(feeds):
    event = a_published("ann", 1, 1)
    moment = feeds.record(event, LENGTH)
    begun = feeds.begin("dave")
    feeds.forget()
    feeds.deliver([(event, moment)], ["bob"], LENGTH)
    lost = [
        lambda: read(feeds),
        lambda: feeds.record(a_published("ann", 2, 2), LENGTH, restored=True),
        lambda: feeds.gather("dave", begun, ["ann"], LENGTH),
        lambda: feeds.complete("dave", begun),
        lambda: feeds.restore("ann", [], moment, LENGTH),
        lambda: feeds.open(1, moment),
        lambda: feeds.advance(1, moment),
        lambda: feeds.begin("bob"),
    ]
    for use in lost:
        with pytest.raises(Lost):
            use()


def test_author_who_is_lost_is_restored_before_the_next_event(feeds):
    latest = [a_published("eve", version, version) for version in (4, 5)]
    with pytest.raises(Lost):
        feeds.record(latest[-1], LENGTH)
    begun = feeds.begin("dave")
    assert feeds.gather("dave", begun, ["eve", "ann"], LENGTH) == ["eve"]
    feeds.restore("eve", latest, feeds.moment(), LENGTH)
    assert feeds.record(latest[-1], LENGTH)
    assert not feeds.record(a_published("eve", 5, 9), LENGTH)
    assert feeds.gather("dave", begun, ["eve"], LENGTH) == []
    feeds.complete("dave", begun)
    publish(feeds, "eve", 6, 6, to="dave")
    assert versions(read(feeds, "dave")) == ["eve 4", "eve 5", "eve 6"]


def test_restoring_late_takes_nothing_back(feeds):
    moment = feeds.moment()
    for version in range(1, 6):
        publish(feeds, "ann", version, version)
    early = [a_published("ann", version, version) for version in (1, 2, 3)]
    feeds.restore("ann", early, moment, LENGTH)
    assert not feeds.record(a_published("ann", 1, 1), LENGTH)
    publish(feeds, "ann", 6, 6)
    begun = feeds.begin("dave")
    feeds.gather("dave", begun, ["ann"], LENGTH)
    feeds.complete("dave", begun)
    assert versions(read(feeds, "dave")) == ["ann 4", "ann 5", "ann 6"]


def test_missing_version_is_looked_for_in_the_stream(feeds):
    publish(feeds, "ann", 1, 1)
    with pytest.raises(Lost):
        feeds.record(a_published("ann", 3, 3), LENGTH)
    latest = [a_published("ann", version, version) for version in (1, 2)]
    feeds.restore("ann", latest, feeds.moment(), LENGTH)
    assert feeds.record(a_published("ann", 2, 2), LENGTH)
    assert feeds.record(a_published("ann", 4, 4), LENGTH, restored=True)  # 3 is nowhere


def test_smaller_length_holds_at_once(feeds):
    for version in range(1, 4):
        publish(feeds, "ann", version, version)
    published = a_published("ann", 4, 4)
    moment = feeds.record(published, 1)
    feeds.deliver([(published, moment)], ["bob"], 1)
    feeds.advance(4, moment)
    page = feeds.read(NewsQuery.new("bob", "", 9, Order.OLDEST), 1)
    assert versions(page) == ["ann 4"]


def test_hidden_link_is_in_no_feed_as_soon_as_it_is_recorded(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "cat", 1, 2)  # the same URL, but her own link
    publish(feeds, "ann", 2, 3)
    first = read(feeds, size=1)
    feeds.record(a_hidden("ann", 3, 4, hides=1), LENGTH)
    assert versions(read(feeds)) == ["cat 1", "ann 2"]
    assert versions(read(feeds, token=first.next_token)) == ["cat 1", "ann 2"]
    give(feeds, a_hidden("ann", 3, 4, hides=1))
    assert versions(read(feeds)) == ["cat 1", "ann 2"]


def test_link_that_is_shown_again_is_news_from_then_on(feeds):
    publish(feeds, "ann", 1, 1)
    give(feeds, a_hidden("ann", 2, 2, hides=1))
    again = a_published("ann", 1, 3)
    give(feeds, Published(again.event, "ann-3", 3, 3))
    assert versions(read(feeds)) == ["ann 1"]
    assert read(feeds, size=1).next_token == ""
    give(feeds, a_hidden("ann", 2, 2, hides=1))  # once more
    assert versions(read(feeds)) == ["ann 1"]


def test_event_that_comes_after_it_was_hidden_is_hidden(feeds):
    feeds.restore("ann", [a_hidden("ann", 3, 30, hides=1)], feeds.moment(), LENGTH)
    feeds.restore("ann", [a_published("ann", 1, 10)], feeds.moment(), LENGTH)
    for published in (a_published("ann", 1, 10), a_hidden("ann", 3, 30, hides=1)):
        give(feeds, published)
    assert read(feeds).events == ()


def test_what_is_hidden_keeps_its_place(feeds):
    """Or a feed would need what it has dropped, and be another when it is made anew."""
    for version in range(1, 4):
        publish(feeds, "ann", version, version)
    publish(feeds, "cat", 1, 4)
    give(feeds, a_hidden("cat", 2, 5, hides=1))
    begun = feeds.begin("dave")
    feeds.gather("dave", begun, ["ann", "cat"], LENGTH)
    feeds.complete("dave", begun)
    assert versions(read(feeds)) == versions(read(feeds, "dave")) == ["ann 3"]


def pulled(feeds: Feeds, author: str, *followers: str) -> None:
    moment = feeds.pull(author)
    feeds.mark(author, moment, followers)
    feeds.pulled(author, moment)


def record(feeds: Feeds, author: str, version: int, sequence: int) -> None:
    """Tell nobody, as of an author whose events feeds take in when they are read."""
    feeds.advance(sequence, feeds.record(a_published(author, version, sequence), LENGTH))


def test_marked_feed_takes_events_in_when_it_is_read(feeds):
    publish(feeds, "ann", 1, 1)
    publish(feeds, "cat", 1, 2)
    pulled(feeds, "ann", "bob")
    assert feeds.pushed(["ann", "cat"]) == {"cat"}
    assert feeds.record_all([a_published("ann", 1, 1), a_published("cat", 1, 2)], 9)[1] == {"ann"}
    record(feeds, "ann", 2, 3)
    assert versions(read(feeds)) == ["ann 1", "cat 1", "ann 2"]
    publish(feeds, "cat", 2, 4)
    record(feeds, "ann", 3, 5)
    first = read(feeds, size=1)
    assert versions(first) == ["ann 2"]
    assert versions(read(feeds, token=first.next_token)) == ["cat 2", "ann 3"]
    for version in range(4, 9):
        record(feeds, "ann", version, version + 2)
    assert versions(read(feeds, order="newest")) == ["ann 8", "ann 7", "ann 6"]


def test_event_both_delivered_and_taken_in_is_told_once(feeds):
    pulled(feeds, "ann", "bob")
    for version in (1, 2):
        publish(feeds, "ann", version, version)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]
    publish(feeds, "ann", 2, 2)
    assert versions(read(feeds)) == ["ann 1", "ann 2"]


def test_marked_feed_takes_in_nothing_beyond_the_horizon(feeds):
    pulled(feeds, "ann", "bob")
    moment = feeds.record(a_published("ann", 1, 1), LENGTH)
    assert read(feeds).events == ()
    feeds.advance(1, moment)
    assert versions(read(feeds)) == ["ann 1"]


def test_feed_that_is_made_learns_whose_events_it_takes_in(feeds):
    moment = feeds.pull("ann")
    begun = feeds.begin("dave")  # too late to be among those who are marked
    feeds.gather("dave", begun, ["ann"], LENGTH)
    feeds.complete("dave", begun)
    feeds.mark("ann", moment, ["bob"])
    feeds.pulled("ann", moment)
    record(feeds, "ann", 1, 1)
    assert versions(read(feeds, "dave")) == versions(read(feeds)) == ["ann 1"]


def test_mark_comes_too_late_for_a_feed_that_was_begun_since(feeds):
    """Its owner has left the author meanwhile."""
    moment = feeds.pull("ann")
    feeds.drop("bob")
    feeds.complete("bob", feeds.begin("bob"))
    feeds.mark("ann", moment, ["bob", "nobody"])
    feeds.pulled("ann", moment)
    record(feeds, "ann", 1, 1)
    assert read(feeds).events == ()


def test_author_is_delivered_until_all_feeds_are_marked(feeds):
    moment = feeds.pull("ann")
    assert feeds.pushed(["ann"]) == {"ann"}
    feeds.forget()
    with pytest.raises(Lost):
        feeds.pulled("ann", moment)
    with pytest.raises(Lost):
        feeds.pull("ann")
    assert feeds.pushed(["ann"]) == {"ann"}


def test_feed_that_takes_in_who_has_left_is_lost(feeds):
    pulled(feeds, "ann", "bob")
    feeds.vanish("ann", 4)
    with pytest.raises(Lost):
        read(feeds)


def test_many_authors_events_are_cut_to_the_latest(client):
    """A reader who was away, and a feed that is longer than what Lua takes in at once."""
    feeds, length = FeedStore(client), 20
    feeds.open(0, feeds.moment())
    authors = [f"author{n}" for n in range(7)]
    for author in authors:
        feeds.restore(author, [], feeds.moment(), length)
    feeds.complete("bob", feeds.begin("bob"))
    for author in authors:
        pulled(feeds, author, "bob")
    told = []
    for sequence in range(1, 301):
        author = authors[sequence % 7 if sequence % 3 else 0]
        version = sum(name == author for name in told) + 1
        told.append(author)
        moment = feeds.record(a_published(author, version, sequence), length)
        feeds.advance(sequence, moment)
        if sequence in (50, 290, 300):
            page = feeds.read(NewsQuery.new("bob", "", 100, Order.OLDEST), length)
            assert [event.author for event in page.events] == told[-length:]


def test_long_feed_is_cut_now_and_then_and_read_as_if_always(client):
    feeds = opened(FeedStore(client))
    length, most = 80, 0
    for version in range(1, 201):
        published = a_published("ann", version, version)
        moment = feeds.record(published, length)
        feeds.deliver([(published, moment)], ["bob"], length)
        feeds.advance(version, moment)
        most = max(most, client.strlen("news:bob"))
        page = feeds.read(NewsQuery.new("bob", "", 100, Order.NEWEST), length)
        assert len(page.events) == min(version, length)
    assert 12 + 11 * length < most <= 12 + 11 * (length + length // 8)


def test_what_nobody_reads_goes_after_a_while_and_reading_keeps_it(client):
    feeds = opened(FeedStore(client, idle_seconds=100))
    pulled(feeds, "ann", "bob")
    for key in ("news:bob", "pulls:bob"):
        assert 95 <= client.ttl(key) <= 101
        client.expire(key, 50)
    publish(feeds, "cat", 1, 1)
    record(feeds, "ann", 1, 2)
    assert client.ttl("news:bob") <= 50
    assert versions(read(feeds)) == ["cat 1", "ann 1"]
    for key in ("news:bob", "pulls:bob"):
        assert 95 <= client.ttl(key) <= 101
    client.delete("news:bob")
    with pytest.raises(Lost):
        read(feeds)


@pytest.mark.parametrize("many", [False, True])
def test_page_is_one_round_trip(client, valkey_url, many):
    """With all its bodies, whether or not there is something to be taken in."""
    feeds = opened(FeedStore(client))
    if many:
        pulled(feeds, "ann", "bob")
    record(feeds, "ann", 1, 1) if many else publish(feeds, "ann", 1, 1)
    read(feeds, "bob", order="newest")  # from here on Valkey knows the script
    if many:
        record(feeds, "ann", 2, 2)
    with connect(valkey_url) as operator, operator.monitor() as monitor:
        for _ in range(3):
            assert versions(read(feeds)) == (["ann 1", "ann 2"] if many else ["ann 1"])
        client.echo("the end")
        seen = []
        while "the end" not in (command := monitor.next_command())["command"]:
            seen.append(command)
    sent = [one["command"].split()[0] for one in seen if one["client_type"] != "lua"]
    assert sent == ["EVALSHA"] * 3


def test_valkey_forgets_that_a_link_was_hidden_with_all_that_came_before(client):
    feeds = opened(FeedStore(client))
    for version in range(1, 4):
        publish(feeds, "ann", version, version)
    for version in range(4, 7):
        give(feeds, a_hidden("ann", version, version, hides=version - 3))
    give(feeds, a_hidden("ann", 7, 7, hides=1))
    assert len(client.hkeys("events:ann")) == 2 + 3 + 3
    for version in range(8, 11):
        publish(feeds, "ann", version, version)
    assert len(client.hkeys("events:ann")) == 2 + 3


def test_nothing_is_trusted_of_a_server_that_has_started_again(client):
    feeds = opened(FeedStore(client))
    publish(feeds, "ann", 1, 1)
    client.hset("news-clock", "run", "the run id of the server before")
    with pytest.raises(Lost):
        read(feeds)
    with pytest.raises(Lost):
        feeds.record(a_published("ann", 2, 2), LENGTH)


KEYS = ["latest:ann", "events:ann", "news:bob", "pulls:bob", "authors", "news-clock"]


@pytest.mark.parametrize("key", KEYS)
def test_loss_of_any_key_is_noticed(client, key):
    feeds = opened(FeedStore(client))
    publish(feeds, "ann", 1, 1)
    if key == "pulls:bob":
        pulled(feeds, "ann", "bob")
    client.delete(key)
    if key != "latest:ann":
        with pytest.raises(Lost):
            read(feeds)
    if key not in ("news:bob", "pulls:bob", "authors"):
        with pytest.raises(Lost):
            feeds.record(a_published("ann", 2, 2), LENGTH, restored=True)


def test_valkey_that_forgot_the_scripts_is_taught_again(client):
    feeds = opened(FeedStore(client))
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
    feeds = opened(FeedStore(client))
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
    client.rpush("news:bob", "no string")
    with pytest.raises(ResponseError):
        read(FeedStore(client))
