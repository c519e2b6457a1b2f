"""Many events of the outbox are published together, in order, each once, whatever was before."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nameko import config

from chassis import nats as connections
from chassis import streams
from chassis.events import Event
from chassis.outbox.publishing import Publishing
from chassis.streams import api, reads, together
from embedded import ports
from embedded.nats import NatsServer
from tests.processes import until

STREAM = "things"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a NATS for these tests."""
    folder: Path = tmp_path_factory.mktemp("together")
    server = NatsServer(folder / "nats", ports.free_port())
    server.start()
    yield server
    connections.connection(server.url).close(1)
    server.stop()


@pytest.fixture(autouse=True)
def stream(server: NatsServer) -> Iterator[str]:
    """Return the stream, which is new for each test."""
    config.update({"NATS_URL": server.url, "STREAM_REPLICAS": 1})
    until(lambda: streams.publish(STREAM, f"{STREAM}.first", b"{}", "first", timeout=2))
    yield STREAM
    api.ask(f"STREAM.DELETE.{STREAM}", {}, 5)
    together._allowed.clear()


def rows(count: int) -> list[Any]:
    """Return rows of the outbox, of two subjects in turn."""
    return [
        SimpleNamespace(
            id=number,
            event_id=uuid.uuid4(),
            type="thing.done",
            subject=("ann", "bob")[number % 2],
            time=datetime.now(UTC),
            data={"n": number},
        )
        for number in range(count)
    ]


def publish(published: list[Any], one_by_one: list[int] | None = None) -> list[int]:
    """Publish rows; return the ids of those that are known to be stored."""

    def publish_one(*arguments: Any) -> int:
        if one_by_one is not None:
            one_by_one.append(1)
        return streams.publish(*arguments)

    batch = Publishing(STREAM, "/thing_svc", publish_one).publish(published, float("inf"))
    assert batch.failed == {}
    return sorted(batch.acknowledged)


def numbers() -> list[int]:
    """Return what the stream has, but for its first message."""
    stored = reads.after(STREAM, 0, 1000, 5)[1:]
    return [int(Event.decode(one.body).data["n"]) for one in stored]


def test_many_events_are_stored_together_in_their_order() -> None:
    single: list[int] = []
    assert publish(rows(300), single) == list(range(300))
    assert numbers() == list(range(300))
    assert single == []


def test_few_events_are_stored_one_by_one() -> None:
    single: list[int] = []
    assert publish(rows(3), single) == [0, 1, 2]
    assert sorted(numbers()) == [0, 1, 2]
    assert len(single) == 3


def test_events_of_which_some_are_stored_are_published_one_by_one_and_each_is_there_once() -> None:
    again = rows(20)
    publish(again[3:5])
    single: list[int] = []
    assert publish(again, single) == list(range(20))
    assert sorted(numbers()) == list(range(20))
    assert len(single) == 20


def test_stream_that_takes_no_batches_is_given_one_event_after_the_other() -> None:
    api.ask(f"STREAM.DELETE.{STREAM}", {}, 5)
    plain = {"name": STREAM, "subjects": [f"{STREAM}.>"], "allow_direct": True}
    api.ask(f"STREAM.CREATE.{STREAM}", plain, 5)
    streams.publish(STREAM, f"{STREAM}.first", b"{}", "first", timeout=2)
    single: list[int] = []
    assert publish(rows(20), single) == list(range(20))
    assert sorted(numbers()) == list(range(20))
    assert len(single) == 20


def test_nothing_is_known_to_be_stored_while_nats_is_away(server: NatsServer) -> None:
    server.stop()
    try:
        batch = Publishing(STREAM, "/thing_svc").publish(rows(20), float("inf"))
        assert batch.hopeless
    finally:
        server.start()
        assert connections.streams().wait_connected(10)
    assert publish(rows(20)) == list(range(20))
