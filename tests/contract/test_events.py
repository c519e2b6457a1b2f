"""What link_svc and social_graph_svc say in events is what news_svc reads."""

from datetime import UTC, datetime
from typing import Any

from chassis.events import Event
from link_svc import schemas as link_schemas
from news_svc import domain, schemas
from social_graph_svc.domain import Follow
from tests.fakes.link_svc import FakeLinkStore
from tests.fakes.social_graph_svc import FakeFollowStore

URL = "https://example.org/ü?🎈"
TIME = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


class Outbox:
    """Collects what a store dispatches, and hands it on as a stream does: as bytes."""

    def __init__(self) -> None:
        self.dispatched: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, event_type: str, subject: str, data: dict[str, Any]) -> None:
        self.dispatched.append((event_type, subject, data))

    def events(self) -> list[Event]:
        return [
            Event.decode(Event(f"id-{n}", "/source", kind, subject, TIME, data).encode())
            for n, (kind, subject, data) in enumerate(self.dispatched, 1)
        ]


def test_link_events_are_read_as_they_are_written() -> None:
    # The fake says what the real store says: both run the suite of test_link_svc_store.py.
    outbox = Outbox()
    store = FakeLinkStore(outbox)
    store.add(link_schemas.new_link("alice", {"url": URL, "title": "one", "tags": ["a"]}), quota=9)
    store.update(link_schemas.changes("alice", {"url": URL, "title": "two "}))
    store.delete(link_schemas.key("alice", URL))
    read = [schemas.published(event, n) for n, event in enumerate(outbox.events(), 11)]
    kinds = [domain.EventType.LINK_ADDED, domain.EventType.LINK_UPDATED]
    kinds.append(domain.EventType.LINK_DELETED)
    titles = ["one", "two ", "two "]
    assert read == [
        domain.Published(domain.Event(kind, "alice", URL, title, TIME), f"id-{n}", n, 10 + n)
        for n, (kind, title) in enumerate(zip(kinds, titles, strict=True), 1)
    ]


def test_longest_link_is_read_as_it_is_written() -> None:
    outbox = Outbox()
    link: link_schemas.NewLinkDoc = {
        "url": "https://example.org/".ljust(2048, "ü"),
        "title": "𝄞" * 512,
        "description": "𝄞" * 4096,
        "tags": [f"{number:02}".ljust(64, "𝄞") for number in range(32)],
    }
    FakeLinkStore(outbox).add(link_schemas.new_link("alice", link), quota=1)
    (event,) = outbox.events()
    published = schemas.published(event, 1)
    assert (published.event.url, published.event.title) == (link["url"], link["title"])
    assert len(event.encode()) < 1024 * 1024  # NATS takes no larger message


def test_follow_events_are_read_as_they_are_written() -> None:
    outbox = Outbox()
    store = FakeFollowStore(outbox)
    store.add(Follow("alice", "bob"))
    store.remove(Follow("alice", "bob"))
    assert [schemas.follow_change(event) for event in outbox.events()] == [
        domain.FollowChange("alice", "bob", follows=True, version=1),
        domain.FollowChange("alice", "bob", follows=False, version=2),
    ]


def test_request_that_made_it_happen_is_read_as_it_is_written() -> None:
    event = Event("id-1", "/source", "link.added", "alice", TIME, {}, request_id="r1")
    assert Event.decode(event.encode()) == event
    assert b'"requestid":"r1"' in event.encode()
    assert b"requestid" not in Event("id-1", "/s", "link.added", "alice", TIME, {}).encode()


def test_request_id_that_is_none_is_dropped() -> None:
    event = Event("id-1", "/source", "link.added", "alice", TIME, {}, request_id="a\nb")
    assert Event.decode(event.encode()).request_id == ""
