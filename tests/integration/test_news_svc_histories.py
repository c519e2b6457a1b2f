"""Random histories: in the end a feed is what the stream and the social graph say, no more.

Links are added, hidden, and shown again. Events are handled late, repeatedly, half (a crash), and
while somebody follows or leaves; and whatever the store holds is lost at any time, as a whole or in
part, and is made anew.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import eventlet
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from nameko.testing.services import worker_factory

from chassis import errors
from chassis.events import Event as CloudEvent
from chassis.redis import connect
from news_svc import schemas
from news_svc.domain import Event, NewsQuery, Order, Published
from news_svc.feeds import Feeds
from news_svc.service import NewsService
from news_svc.store import FeedStore
from tests.fakes.news_svc import FakeFeedStore, FakeHistory, FakeSocialGraph

Lose = Callable[[float], object]

LENGTH = 3
NOW = datetime(2026, 1, 1, tzinfo=UTC)
READERS = ["bob", "cat"]
AUTHORS = ["ann", "ann-b", "cat"]
reader = st.sampled_from(READERS)
author = st.sampled_from(AUTHORS)
url = st.sampled_from(["https://example.org/1", "https://example.org/ü🎈"])
fraction = st.floats(0, 1, exclude_max=True)
# To how many followers events are written: to all; or to one, so that others' feeds take them in.
COPIES = [500, 1]


class Stream:
    """A stream and its one consumer: events stay until they have been handled."""

    def __init__(self, handle: Callable[[list[tuple[CloudEvent, int]]], None]) -> None:
        self.handle = handle
        self.events: list[CloudEvent] = []
        self.handled = 0

    def publish(self, kind: str, subject: str, data: dict) -> None:
        id_ = f"{subject}-{data['version']}"
        self.events.append(CloudEvent(id_, "/test", kind, subject, NOW, data))

    def handle_next(self, most: int = 1) -> None:
        begin, end = self.handled, min(self.handled + most, len(self.events))
        if begin < end:
            self.handle([(self.events[n], n + 1) for n in range(begin, end)])
            self.handled = end

    def handle_all(self) -> None:
        while self.handled < len(self.events):
            self.handle_next()

    def handle_again(self, fraction: float) -> None:
        if self.handled:
            index = int(fraction * self.handled)
            self.handle([(self.events[index], index + 1)])

    def go_back(self, fraction: float) -> None:
        """Lose acknowledgements, as a NATS that was killed does."""
        self.handled = int(fraction * (self.handled + 1))

    def publish_again(self, fraction: float) -> None:
        if self.events:
            self.events.append(self.events[int(fraction * len(self.events))])


class History(FakeHistory):
    """What the model of a stream holds."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def end(self) -> int:
        return len(self.stream.events)

    def latest(self, author: str, length: int) -> list[Published]:
        self.log = [schemas.published(one, n) for n, one in enumerate(self.stream.events, 1)]
        return super().latest(author, length)


@dataclass
class Visit:
    """What somebody found when they came, what they have read since, and how far."""

    before: set[str]
    read: list[str] = field(default_factory=list)
    place: int | None = None


class Histories(RuleBasedStateMachine):
    """The service's handlers between a model of the streams and the feeds."""

    def __init__(
        self, store: FeedStore | FakeFeedStore, losses: Sequence[Lose], copies: int = 500
    ) -> None:
        super().__init__()
        self.losses = losses
        self.graph = FakeSocialGraph()
        self.service = worker_factory(NewsService, social_graph=self.graph)
        self.links = Stream(self.service.on_link_events)
        self.service.feeds = Feeds(store, History(self.links), self.graph, LENGTH, copies)
        self.follows = Stream(self.handle_a_change_of_follows)
        self.versions: dict[str, int] = {}
        self.visits: dict[str, Visit] = {}

    def handle_a_change_of_follows(self, batch: list[tuple[CloudEvent, int]]) -> None:
        (event, sequence), *_ = batch
        # What comes or goes with a person may well be older than the last event read.
        self.visits.pop(event.subject, None)
        self.service.on_follow_event(event, sequence)
        self.visits.pop(event.subject, None)

    def next_version(self, name: str) -> int:
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.versions[name]

    @initialize()
    def everybody_follows(self):
        for follower in READERS:
            for followed in AUTHORS:
                self.follow_or_leave(follower, followed)
        self.follows.handle_all()

    @rule(author=author, times=st.integers(1, LENGTH + 1))
    def change_links(self, author, times):
        for _ in range(times):
            self.change_a_link(author, f"https://example.org/new/{self.versions.get(author)}")

    @rule(author=author, url=url)
    def change_a_link(self, author, url):
        version = self.next_version(author)
        link = {"url": url, "title": f"{author}-{version}"}
        self.links.publish("link.updated", author, {"link": link, "version": version})

    @rule(author=author, url=url)
    def hide_a_link(self, author, url):
        data = {"link": {"url": url}, "version": self.next_version(author)}
        self.links.publish("link.hidden", author, data)

    @rule(reader=reader, author=author, url=url)
    def hide_a_link_amid_a_walk(self, reader, author, url):
        """Who goes on from a token neither misses nor repeats what is not hidden."""
        self.links.handle_all()
        everything = self.read(reader, LENGTH, Order.OLDEST)
        first = self.service.feeds.read(NewsQuery.new(reader, "", 1, Order.OLDEST))
        self.hide_a_link(author, url)
        self.links.handle_all()
        read, token = [_id(one) for one in first.events], first.next_token
        while token:
            page = self.service.feeds.read(NewsQuery.new(reader, token, 1, Order.OLDEST))
            read += [_id(one) for one in page.events]
            token = page.next_token
        assert len(set(read)) == len(read)
        assert set(read) <= set(everything)
        assert set(read) >= set(self.read(reader, LENGTH, Order.OLDEST))

    @rule(follower=reader, followed=author)
    def follow_or_leave(self, follower, followed):
        pair = follower, followed
        self.graph.pairs ^= {pair}
        self.visits.pop(follower, None)
        kind = "follow.added" if pair in self.graph.pairs else "follow.removed"
        data = {"followed": followed, "version": self.next_version(f"{follower}'s")}
        self.follows.publish(kind, follower, data)

    @rule()
    def handle_a_link_event(self):
        self.links.handle_next()

    @rule(most=st.integers(2, 6))
    def handle_a_batch(self, most):
        self.links.handle_next(most)

    @rule()
    def handle_a_follow_event(self):
        self.follows.handle_next()

    @rule(follower=reader, followed=author)
    def follow_or_leave_amid_a_delivery(self, follower, followed):
        def meanwhile() -> None:
            self.follow_or_leave(follower, followed)
            self.follows.handle_all()

        self.links.handle_all()
        self.change_links(followed, times=1)
        self.graph.meanwhile = meanwhile
        self.links.handle_next()
        self.graph.meanwhile = lambda: None

    @rule()
    def deliver_amid_a_follow_event(self):
        self.graph.meanwhile = self.links.handle_next
        self.follows.handle_next()
        self.graph.meanwhile = lambda: None

    @rule(stream=st.sampled_from(["links", "follows"]))
    def crash_amid_an_event(self, stream):
        self.graph.away = True
        with suppress(errors.Unavailable):
            getattr(self, stream).handle_next()
        self.graph.away = False

    @rule(kind=fraction, which=fraction)
    def something_is_lost(self, kind, which):
        self.losses[int(kind * len(self.losses))](which)

    @rule(kind=fraction, which=fraction, stream=st.sampled_from(["links", "follows"]))
    def something_is_lost_amid_an_event(self, kind, which, stream):
        self.graph.meanwhile = lambda: self.something_is_lost(kind, which)
        getattr(self, stream).handle_next()
        self.graph.meanwhile = lambda: None

    @rule(kind=fraction, which=fraction, reader=reader)
    def something_is_lost_and_read_amid_a_batch(self, kind, which, reader):
        def meanwhile() -> None:
            self.something_is_lost(kind, which)
            self.go_on(reader)

        self.graph.meanwhile = meanwhile
        self.links.handle_next(3)
        self.graph.meanwhile = lambda: None

    @rule(reader=reader, authors=st.lists(author, min_size=3, max_size=4), calls=st.integers(1, 2))
    def somebody_goes_on_amid_a_batch(self, reader, authors, calls):
        """When some of its authors' followers have it, and others have not."""

        def meanwhile() -> None:
            nonlocal calls
            calls -= 1
            if calls < 0:
                self.go_on(reader)
            else:
                self.graph.meanwhile = meanwhile

        self.links.handle_all()
        self.go_on(reader)
        for author in authors:
            self.change_links(author, times=1)
        self.graph.meanwhile = meanwhile
        self.links.handle_next(len(authors))
        self.graph.meanwhile = lambda: None

    @rule(reader=reader)
    def somebody_goes_on_from_their_token(self, reader):
        self.go_on(reader)

    @rule(reader=reader)
    def somebody_reads(self, reader):
        self.read(reader, LENGTH, Order.OLDEST)

    @rule(reader=reader, kind=fraction, which=fraction)
    def an_event_is_handled_while_somebody_reads_what_is_lost(self, reader, kind, which):
        handlers = []

        def meanwhile() -> None:
            self.links.handle_next()
            # Its handler waits for the feed that is being made here.
            handlers.append(eventlet.spawn(self.follows.handle_next))
            eventlet.sleep(0)

        self.something_is_lost(kind, which)
        self.graph.meanwhile = meanwhile
        self.read(reader, LENGTH, Order.OLDEST)
        self.graph.meanwhile = lambda: None
        for handler in handlers:
            handler.wait()

    @rule(stream=st.sampled_from(["links", "follows"]), fraction=fraction)
    def acknowledgements_are_lost(self, stream, fraction):
        getattr(self, stream).go_back(fraction)

    @rule(stream=st.sampled_from(["links", "follows"]), fraction=fraction)
    def redeliver(self, stream, fraction):
        getattr(self, stream).handle_again(fraction)

    @rule(stream=st.sampled_from(["links", "follows"]), fraction=fraction)
    def publish_twice(self, stream, fraction):
        getattr(self, stream).publish_again(fraction)

    @rule(size=st.integers(1, LENGTH + 1))
    def everything_settles(self, size):
        self.links.handle_all()
        self.follows.handle_all()
        for reader in ["ann", *READERS]:
            expected = self.expected(reader)
            assert self.read(reader, size, Order.OLDEST) == expected
            assert self.read(reader, size, Order.NEWEST) == expected[::-1]
        for reader in list(self.visits):
            self.go_on(reader)
            visit = self.visits[reader]
            assert [id_ for id_ in self.expected(reader) if id_ not in visit.before] == [
                id_ for id_ in visit.read if id_ in self.expected(reader)
            ]

    def teardown(self):
        self.everything_settles(size=2)

    def expected(self, reader: str) -> list[str]:
        """Return those of the latest whose links have not been hidden by or after them."""
        unique = {event.id: event for event in self.links.events}.values()
        followed = [one for one in unique if (reader, one.subject) in self.graph.pairs]
        hidden = {
            (event.subject, event.data["link"]["url"]): n
            for n, event in enumerate(followed)
            if event.type == "link.hidden"
        }
        return [
            event.id
            for n, event in list(enumerate(followed))[-LENGTH:]
            if n > hidden.get((event.subject, event.data["link"]["url"]), -1)
        ]

    def go_on(self, reader: str) -> None:
        """Read on, as a client does that has kept the place where it was."""
        visit = self.visits.get(reader)
        query = NewsQuery(reader, Order.OLDEST, visit.place if visit else None, 100)
        page = self.service.feeds.read(query)
        read = [_id(one) for one in page.events]
        if visit is None:
            visit = self.visits[reader] = Visit(before=set(read))
        else:
            visit.read += read
        if read:
            places = {event.id: n for n, event in reversed([*enumerate(self.links.events, 1)])}
            visit.place = places[read[-1]]

    def read(self, reader: str, size: int, order: Order) -> list[str]:
        found, token = [], ""
        while True:
            page = self.service.feeds.read(NewsQuery.new(reader, token, size, order))
            found += [_id(one) for one in page.events]
            token = page.next_token
            if not token:
                return found


def _id(event: Event) -> str:
    return event.title


def run(make: Callable[[], Histories], examples: int) -> None:
    bounds = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(make, settings=bounds)


@pytest.mark.parametrize("copies", COPIES)
def test_any_history_settles_on_the_fake(copies):
    def make() -> Histories:
        store = FakeFeedStore()
        return Histories(store, [lambda _: store.forget()], copies)

    run(make, examples=50)


@pytest.mark.parametrize("copies", COPIES)
def test_any_history_settles_on_valkey(valkey_url, copies):
    with connect(valkey_url) as client:
        store = FeedStore(client)

        def lose_a_key(which: float) -> None:
            keys = sorted(client.keys())
            if keys:
                client.delete(keys[int(which * len(keys))])

        def restart(_: float) -> None:
            client.hset("news-clock", "run", "another")

        def make() -> Histories:
            client.flushdb()
            losses = [lambda _: client.flushdb(), restart, lose_a_key]
            return Histories(store, losses, copies)

        run(make, examples=25)


def test_who_reads_amid_a_batch_misses_nothing():
    """What the rule above meets by chance alone: the second author's event is the earlier one."""
    history = Histories(FakeFeedStore(), [])
    history.everybody_follows()
    history.somebody_goes_on_amid_a_batch(reader="bob", authors=["cat", "ann", "cat"], calls=1)
    history.everything_settles(size=2)
