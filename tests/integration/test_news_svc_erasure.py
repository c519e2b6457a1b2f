"""People who have left, out of the streams: their events and those about them, nothing else."""

import json
import uuid
from typing import Any

import pytest
from nameko import config

from chassis import nats, streams
from chassis.errors import Unavailable
from chassis.events.letters import DeadLetter
from chassis.streams import deliveries, reads
from news_svc.erasure import Erasure
from tests.processes import until

SECONDS = 5.0


class Store:
    """Writes down who is to vanish."""

    def __init__(self) -> None:
        self.vanished: list[tuple[str, int]] = []

    def vanish(self, username: str, sequence: int) -> None:
        self.vanished.append((username, sequence))


@pytest.fixture
def names(nats_url: str) -> Any:
    """Return the names of two streams of our own, as the erasure is given them."""
    config.update({"NATS_URL": nats_url, "AMQP_URI": nats_url, "STREAM_REPLICAS": 1})
    unique = uuid.uuid4().hex[:8]
    found = {"links": (f"links-{unique}", "l"), "follows": (f"follows-{unique}", "f")}
    for stream, durable in found.values():
        until(lambda s=stream, d=durable: streams.ensure_consumer(s, d, 30, timeout=2) is not None)
    return found


def append(stream: str, subject: str, **data: Any) -> int:
    event = {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "source": "/test",
        "type": "test",
        "subject": subject,
        "time": "2026-01-01T00:00:00Z",
        "data": data,
    }
    body = json.dumps(event).encode()
    return streams.publish(stream, f"{stream}.{subject}", body, event["id"], SECONDS)


def handle(stream: str, durable: str) -> None:
    """Acknowledge all that there is."""
    pull = deliveries.Pull(stream, durable)
    last = reads.last_sequence(stream, SECONDS)
    while not reads.has_handled(stream, durable, last, SECONDS):
        message = pull.next()
        if message is not None:
            deliveries.acknowledge(message, b"+ACK")
    pull.close()


def subjects(stream: str) -> list[str]:
    return [stored.subject.partition(".")[2] for stored in reads.after(stream, 0, 100, SECONDS)]


def test_what_somebody_did_and_what_names_them_goes_and_the_rest_stays(names: Any) -> None:
    links, follows = names["links"][0], names["follows"][0]
    for author in ("bob", "eve", "bob", "eve", "bob"):
        last = append(links, author, link={"url": "https://x.example/"}, version=1)
    append(follows, "bob", followed="eve", version=1)
    append(follows, "eve", followed="bob", version=1)
    append(follows, "eve", followed="bobby", version=2)
    append(follows, "eve", removal="7")
    append(links, "eve", link={"title": "bob"}, version=3)
    for letter in (
        {"subject": "bob", "n": 1},
        {"subject": "eve", "n": 2},
    ):
        body = json.dumps({"id": "1", **letter}).encode()
        DeadLetter("news_svc", links, uuid.uuid4().hex, 7, "why", body).bury()
    for each in names.values():
        handle(*each)
    store = Store()
    erasure = Erasure(store, **names)  # type: ignore[arg-type]
    for _ in range(2):  # repeating it is harmless
        erasure.erase("bob")
    assert subjects(links) == ["eve", "eve", "eve"]
    assert subjects(follows) == ["eve", "eve"]
    assert store.vanished == [("bob", last + 1)] * 2
    letters = [one.body for one in reads.after("dead-letters", 0, 1000, SECONDS)]
    assert not [body for body in letters if b'"bob"' in body]
    assert [body for body in letters if b'"eve"' in body]

    # The gaps disturb nobody: not who goes on from a sequence, nor who looks for the latest.
    append(links, "bob", link={}, version=9)
    assert subjects(links)[-1] == "bob"
    assert len(reads.last_of(links, f"{links}.eve", 10, SECONDS)) == 3
    assert len(reads.last_of(links, f"{links}.bob", 10, SECONDS)) == 1
    for each in names.values():
        handle(*each)
    nats.streams().close(1)


def test_it_waits_until_all_that_there_is_is_handled(names: Any) -> None:
    append(names["links"][0], "bob", version=1)
    store = Store()
    with pytest.raises(Unavailable) as refusal:
        Erasure(store, **names).erase("bob")  # type: ignore[arg-type]
    assert refusal.value.code == "events_under_way"
    assert store.vanished == []
    assert subjects(names["links"][0]) == ["bob"]
    nats.streams().close(1)
