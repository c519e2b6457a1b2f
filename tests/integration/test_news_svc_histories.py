"""Random histories: in the end a feed is what the stream and the social graph say, no more.

Events are handled late, repeatedly, half (a crash), and while somebody follows or leaves; and
whatever the store holds is lost at any time, as a whole or in part, and is made anew.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import eventlet
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
from news_svc.domain import NewsQuery, Order, Published
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
fraction = st.floats(0, 1, exclude_max=True)


class Stream:
    """A stream and its one consumer: events stay until they have been handled."""

    def __init__(self, handle: Callable[[CloudEvent, int], None]) -> None:
        self.handle = handle
        self.events: list[CloudEvent] = []
        self.handled = 0
        self.given = 0

    def publish(self, kind: str, subject: str, data: dict) -> None:
        id_ = f"{subject}-{data['version']}"
        self.events.append(CloudEvent(id_, "/test", kind, subject, NOW, data))

    def handle_next(self) -> None:
        if self.handled < len(self.events):
            self.given = self.handled + 1
            self.handle(self.events[self.handled], self.handled + 1)
            self.handled += 1

    def handle_all(self) -> None:
        while self.handled < len(self.events):
            self.handle_next()

    def handle_again(self, fraction: float) -> None:
        if self.handled:
            index = int(fraction * self.handled)
            self.handle(self.events[index], index + 1)

    def go_back(self, fraction: float) -> None:
        """Lose acknowledgements, as a NATS that was killed does."""
        self.handled = self.given = int(fraction * (self.handled + 1))

    def publish_again(self, fraction: float) -> None:
        if self.events:
            self.events.append(self.events[int(fraction * len(self.events))])


class History(FakeHistory):
    """What the model of a stream holds."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream

    def position(self) -> int:
        return self.stream.given

    def latest(self, author: str, position: int, length: int) -> list[Published]:
        self.log = [schemas.published(one, n) for n, one in enumerate(self.stream.events, 1)]
        return super().latest(author, position, length)


class Histories(RuleBasedStateMachine):
    """The service's handlers between a model of the streams and the feeds."""

    def __init__(self, store: FeedStore | FakeFeedStore, losses: Sequence[Lose]) -> None:
        super().__init__()
        self.losses = losses
        self.graph = FakeSocialGraph()
        self.service = worker_factory(NewsService, social_graph=self.graph)
        self.links = Stream(self.service.on_link_event)
        self.service.feeds = Feeds(store, History(self.links), self.graph, LENGTH)
        self.follows = Stream(self.service.on_follow_event)
        self.versions: dict[str, int] = {}

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
            version = self.next_version(author)
            link = {"url": f"https://example.org/{version}", "title": ""}
            self.links.publish("link.added", author, {"link": link, "version": version})

    @rule(follower=reader, followed=author)
    def follow_or_leave(self, follower, followed):
        pair = follower, followed
        self.graph.pairs ^= {pair}
        kind = "follow.added" if pair in self.graph.pairs else "follow.removed"
        data = {"followed": followed, "version": self.next_version(f"{follower}'s")}
        self.follows.publish(kind, follower, data)

    @rule()
    def handle_a_link_event(self):
        self.links.handle_next()

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

    def teardown(self):
        self.everything_settles(size=2)

    def expected(self, reader: str) -> list[str]:
        unique = {event.id: event.subject for event in self.links.events}
        followed = [id_ for id_, author in unique.items() if (reader, author) in self.graph.pairs]
        return followed[-LENGTH:]

    def read(self, reader: str, size: int, order: Order) -> list[str]:
        found, token = [], ""
        while True:
            page = self.service.feeds.read(NewsQuery.new(reader, token, size, order))
            found += [f"{one.author}-{one.url.rpartition('/')[2]}" for one in page.events]
            token = page.next_token
            if not token:
                return found


def run(make: Callable[[], Histories], examples: int) -> None:
    bounds = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(make, settings=bounds)


def test_any_history_settles_on_the_fake():
    def make() -> Histories:
        store = FakeFeedStore()
        return Histories(store, [lambda _: store.forget()])

    run(make, examples=100)


def test_any_history_settles_on_valkey(valkey_url):
    with connect(valkey_url) as client:
        store = FeedStore(client)

        def lose_a_key(which: float) -> None:
            keys = sorted(client.keys())
            if keys:
                client.delete(keys[int(which * len(keys))])

        def restart(_: float) -> None:
            client.hset("clock", "run", "another")

        def make() -> Histories:
            client.flushdb()
            return Histories(store, [lambda _: client.flushdb(), restart, lose_a_key])

        run(make, examples=25)
