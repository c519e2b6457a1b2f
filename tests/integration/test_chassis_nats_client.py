"""Core NATS from eventlet's hub, against a real server that goes and comes."""

from collections.abc import Iterator
from pathlib import Path

import eventlet
import pytest

from chassis import nats
from chassis.errors import InvalidInput, Unavailable
from chassis.nats import Client, Message
from embedded import ports
from embedded.nats import NatsServer

MEGABYTE = nats.MAX_PAYLOAD_BYTES


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats", ports.free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: NatsServer) -> Iterator[Client]:
    client = nats.connection(server.url)
    assert client.wait_connected(5)
    yield client
    client.close(1)


def soon(what: str, heard: list[bytes]) -> None:
    """Give the hub its turns until that has been heard."""
    with eventlet.Timeout(10, AssertionError(f"{what} was not heard: {heard}")):
        while what.encode() not in heard:
            eventlet.sleep(0.01)


def listen(client: Client, subject: str, queue: str = "") -> tuple[list[bytes], nats.Subscription]:
    heard: list[bytes] = []
    subscription = client.subscribe(subject, lambda message: heard.append(message.data), queue)
    return heard, subscription


def test_messages_come_in_order_whatever_their_size(client: Client) -> None:
    heard, _ = listen(client, "a.*")
    sizes = [0, 1, 70_000, MEGABYTE, 3]
    for size in sizes:
        client.publish("a.b", b"x" * size)
    client.publish("a.b", b"end")
    soon("end", heard)
    assert [len(body) for body in heard[:-1]] == sizes


def test_message_that_is_too_large_is_refused_and_nothing_else_suffers(client: Client) -> None:
    with pytest.raises(InvalidInput):
        client.publish("a.b", b"x" * (MEGABYTE + 1))
    client.flush(5)


def test_who_leaves_still_hears_what_came_before(client: Client) -> None:
    heard, subscription = listen(client, "a")
    client.publish("a", b"before")
    subscription.unsubscribe()
    client.publish("a", b"after")
    client.flush(5)
    assert heard == [b"before"]


def test_callback_that_fails_harms_nobody(client: Client) -> None:
    def fail(message: Message) -> None:
        raise ValueError(message.data)

    client.subscribe("a", fail)
    heard, _ = listen(client, "a")
    client.publish("a", b"x")
    soon("x", heard)


def test_away_is_an_error_and_subscriptions_come_back(client: Client, server: NatsServer) -> None:
    heard, _ = listen(client, "a")
    made = client.reconnections
    server.kill()
    with eventlet.Timeout(10):
        while client.connected:
            eventlet.sleep(0.01)
    with pytest.raises(Unavailable):
        client.publish("a", b"lost")
    server.start()
    assert client.wait_connected(10)
    client.publish("a", b"back")
    soon("back", heard)
    assert heard == [b"back"]
    assert client.reconnections == made + 1


@pytest.mark.parametrize("queue", ["", "group"])
def test_forwarded_message_is_as_it_was(client: Client, queue: str) -> None:
    found: list[Message] = []
    client.subscribe("a", found.append, queue)
    client.publish("a", b"body", reply="r", headers={"Some": "thing"})
    client.flush(5)
    client.forward(found[0])
    client.flush(5)
    one, other = ((each.subject, each.reply, each.head, each.data) for each in found)
    assert one == other
    assert found[0].header(b"Some") == b"thing"


def test_frozen_server_is_noticed_and_another_one_is_taken(
    server: NatsServer, tmp_path: Path
) -> None:
    other = NatsServer(tmp_path / "other", ports.free_port())
    other.start()
    client = nats.connection(f"{server.url},{other.url}")
    try:
        assert client.wait_connected(5)
        first = client._server.port
        frozen = server if str(first) in server.url else other
        frozen.pause()
        with eventlet.Timeout(15):
            while not client.connected or client._server.port == first:
                eventlet.sleep(0.05)
        client.flush(5)
        frozen.resume()
    finally:
        client.close(1)
        other.stop()


def test_request_is_answered_by_one_who_listens_or_by_nats(client: Client) -> None:
    client.subscribe("double", lambda asked: client.publish(asked.reply, 2 * asked.data))
    assert client.request("double", b"ab", 5).data == b"abab"
    assert client.request("nobody", b"", 5).status == nats.NO_RESPONDERS


def test_request_without_an_answer_ends_in_time(client: Client) -> None:
    client.subscribe("silent", lambda asked: None)
    with pytest.raises(Unavailable):
        client.request("silent", b"", 0.05)
    assert client.request("nobody", b"", 5).status == nats.NO_RESPONDERS


def test_request_ends_with_its_connection(client: Client, server: NatsServer) -> None:
    asked: list[bytes] = []
    client.subscribe("silent", lambda message: asked.append(message.data))
    waiting = eventlet.spawn(client.request, "silent", b"?", 3600)
    soon("?", asked)
    server.stop()
    with eventlet.Timeout(10), pytest.raises(Unavailable):
        waiting.wait()


def test_many_replies_are_gathered_up_to_the_last(client: Client) -> None:
    def answer(asked: Message) -> None:
        for number in range(300):
            client.publish(asked.reply, b"%d" % number)

    client.subscribe("count", answer)
    found = client.gather("count", b"", 5, lambda message: message.data == b"299")
    assert [int(message.data) for message in found] == list(range(300))


def test_who_watches_and_fails_costs_nobody_the_connection(
    client: Client, server: NatsServer
) -> None:
    def fail() -> None:
        raise ValueError("a watcher")

    client.watch(fail)
    server.stop()
    server.start()
    with eventlet.Timeout(10):
        while client.reconnections < 1:
            eventlet.sleep(0.01)
    eventlet.sleep(0.7)  # longer than until the next try
    assert client.connected
    assert client.reconnections == 1


def test_who_watches_is_told_of_each_new_connection(client: Client, server: NatsServer) -> None:
    told: list[bytes] = []
    client.watch(lambda: told.append(b"made"))
    server.stop()
    server.start()
    soon("made", told)
