"""Streams: in order, one at a time over all replicas, and nothing lost by faults."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nameko import config

from chassis import nats, streams
from chassis.events import Event
from chassis.nats import client
from chassis.streams import api, deliveries, reads
from embedded import ports
from embedded.nats import NatsServer
from tests.processes import ServiceProcess, until

STREAM = "test-events"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """Return a NATS of this test's own: it is stopped, wiped and killed."""
    server = NatsServer(tmp_path / "nats", ports.free_port())
    server.start()
    yield server
    nats.streams().close(1)
    server.stop()


@pytest.fixture
def settings(server: NatsServer) -> dict[str, Any]:
    """Return the configuration, which holds in this process too."""
    values = {
        "AMQP_URI": server.url,
        "NATS_URL": server.url,
        "STREAM_REPLICAS": 1,
        "RPC_TIMEOUT_SECONDS": 2,
        "STOP_GRACE_SECONDS": 3,
        "SERVICE_CONTAINER_CLS": "chassis.container.Container",
    }
    config.update(values)
    return values


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return the file into which the consumers write."""
    path = tmp_path / "written"
    path.touch()
    return path


@pytest.fixture
def consume(
    settings: dict[str, Any], written: Path, tmp_path: Path
) -> Iterator[Callable[..., ServiceProcess]]:
    """Start consumers."""
    started: list[ServiceProcess] = []

    def consume(service: str = "Consumer") -> ServiceProcess:
        process = ServiceProcess(
            f"tests.integration.stream_services:{service}",
            config=settings,
            folder=tmp_path,
            env={"WRITE_TO": str(written)},
        )
        started.append(process.start())
        return process

    yield consume
    for process in started:
        process.stop()


def publish(n: int, kind: str = "plain", subject: str = "alice", body: bytes | None = None) -> int:
    event = Event(str(uuid4()), "/test", kind, subject, datetime.now(UTC), {"n": n})
    content = event.encode() if body is None else body

    def try_it() -> int:
        return streams.publish(STREAM, f"{STREAM}.{subject}", content, event.id, timeout=2)

    return until(try_it)


def numbers(written: Path) -> list[int]:
    return [int(line.split()[3]) for line in written.read_text().splitlines()]


def handled(written: Path) -> list[int]:
    """Return the numbers, each once: what was not known to be acknowledged comes again."""
    return list(dict.fromkeys(numbers(written)))


def handlers(written: Path) -> set[int]:
    return {int(line.split()[0]) for line in written.read_text().splitlines()}


def waited(consumer: ServiceProcess) -> int:
    return consumer.log.read_text().count("The store is away.\n")


def dead_letters() -> list[Any]:
    return [one.body for one in reads.after("dead-letters", 0, 1000, 5)]


def test_events_arrive_in_order_with_their_sequence(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    sequences = [publish(n) for n in range(20)]
    consume()
    until(lambda: len(numbers(written)) == 20)
    assert numbers(written) == list(range(20))
    assert [int(line.split()[1]) for line in written.read_text().splitlines()] == sequences


def test_the_same_message_id_is_stored_once(settings: dict[str, Any]) -> None:
    until(lambda: streams.publish(STREAM, f"{STREAM}.bob", b"{}", "one-id", timeout=2))
    first = streams.publish(STREAM, f"{STREAM}.bob", b"{}", "one-id", timeout=2)
    assert streams.publish(STREAM, f"{STREAM}.bob", b"{}", "another", timeout=2) == first + 1


def test_what_cannot_be_handled_becomes_a_dead_letter_and_blocks_nothing(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    """A10."""
    consume()
    bad = [b"not json", b"\xff\xfe", b"[]", json.dumps({"id": "x"}).encode(), b"9" * 500_000]
    for body in bad:
        publish(0, body=body)
    publish(1, kind="refused")
    publish(2, kind="poison")
    publish(3)
    until(lambda: numbers(written) == [3])
    assert until(lambda: len(dead_letters()) == len(bad) + 2)
    assert dead_letters()[: len(bad)] == bad


def test_an_event_waits_for_what_its_handler_needs(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    consumer = consume()
    publish(1, kind="later")
    publish(2)
    until(lambda: waited(consumer) >= 8)  # more tries than an event at fault itself would get
    assert numbers(written) == []
    written.with_suffix(".ready").touch()
    until(lambda: numbers(written) == [1, 2])


def test_one_replica_handles_at_a_time_and_the_other_goes_on(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    replicas = [consume(), consume()]
    for n in range(50):
        publish(n)
    until(lambda: len(numbers(written)) == 50)
    replicas[0].signal(signal.SIGKILL)
    replicas[0].wait()
    for n in range(50, 60):
        publish(n)
    until(lambda: len(handled(written)) == 60, seconds=15)
    assert handled(written) == list(range(60))


def test_a_frozen_replica_is_passed_over(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    """A7: when it goes on, what it still has in hand and acknowledges does no harm."""
    replicas = [consume(), consume()]
    publish(0)
    until(lambda: numbers(written) == [0])
    frozen = next(each for each in replicas if each.pid in handlers(written))
    frozen.signal(signal.SIGSTOP)
    for n in range(1, 6):
        publish(n)
    until(lambda: len(handled(written)) == 6, seconds=40)
    assert handled(written) == list(range(6))
    frozen.signal(signal.SIGCONT)
    for n in range(6, 9):
        publish(n)
    until(lambda: len(handled(written)) == 9, seconds=40)
    assert handled(written) == list(range(9))


def test_consuming_goes_on_after_the_server_was_killed_and_after_it_was_wiped(
    consume: Callable[[], ServiceProcess], written: Path, server: NatsServer
) -> None:
    """A13."""
    consumer = consume()
    publish(0)
    until(lambda: numbers(written) == [0])
    server.kill()
    server.start()
    publish(1)
    until(lambda: handled(written) == [0, 1])
    last = publish(1)
    server.kill()
    shutil.rmtree(server.folder)
    server.start()
    assert publish(2) > last  # readers order by it
    until(lambda: handled(written) == [0, 1, 2])
    assert consumer.alive()


def test_waiting_events_stay_in_batches_after_the_server_was_killed(
    consume: Callable[..., ServiceProcess], written: Path, server: NatsServer
) -> None:
    publish(0)
    publish_many(*["plain"] * 2000)
    consume("BatchConsumer")
    until(lambda: len(numbers(written)) > 400)
    server.kill()
    server.start()
    until(lambda: len(handled(written)) == 2000)  # the first has a number twice
    assert handled(written) == list(range(2000))
    assert len(batches(written)) < 60  # and not one by one, as after a fatal one


def test_stop_finishes_the_event_in_hand(
    consume: Callable[[], ServiceProcess], written: Path
) -> None:
    consumer = consume()
    publish(0)
    until(lambda: numbers(written) == [0])
    assert consumer.stop() == 0
    publish(1)
    consume()
    until(lambda: numbers(written) == [0, 1])


class PlainNats(NatsServer):
    """A NATS whose operator has forgotten JetStream."""

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "nats.conf").write_text(f"listen: 127.0.0.1:{self.port}\n")


def test_nats_without_streams_is_told_once_and_waited_out(
    server: NatsServer, consume: Callable[[], ServiceProcess], written: Path
) -> None:
    server.stop()
    plain = PlainNats(server.folder, server.port)
    plain.start()
    try:
        consumer = consume()
        waiting = f"waiting for the stream {STREAM}: "
        until(lambda: waiting in consumer.log.read_text())
    finally:
        plain.stop()
    server.start()
    publish(1)
    until(lambda: numbers(written) == [1])
    assert consumer.log.read_text().count(waiting) == 1


def publish_many(*kinds: str) -> None:
    """Publish, as fast as they are taken, events of these kinds, numbered from 0."""
    for n, kind in enumerate(kinds):
        event = Event(str(n), "/test", kind, "alice", datetime.now(UTC), {"n": n})
        nats.streams().publish(f"{STREAM}.alice", event.encode())
    nats.streams().flush(5)


def batches(written: Path) -> list[int]:
    return [int(size) for size in written.with_suffix(".batches").read_text().split()]


def test_what_waits_is_handled_in_batches_in_order(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    publish(0)
    publish_many(*["plain"] * 1500)
    consume("BatchConsumer")
    until(lambda: len(numbers(written)) == 1501)
    assert numbers(written) == [0, *range(1500)]
    assert sum(batches(written)) == 1501
    assert len(batches(written)) < 15
    publish(1500)
    until(lambda: numbers(written)[-1] == 1500)
    assert batches(written)[-1] == 1


def test_one_event_of_a_batch_that_cannot_be_handled_is_the_only_dead_letter(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    publish(0)
    kinds = ["plain"] * 40
    kinds[17], kinds[30] = "refused", "poison"
    publish_many(*kinds)
    nats.streams().publish(f"{STREAM}.alice", b"no event")
    publish_many("plain")
    consume("BatchConsumer")
    expected = [n for n in range(40) if n not in (17, 30)]
    until(lambda: handled(written) == expected and len(dead_letters()) == 3)
    until(lambda: numbers(written)[-1] == 0)  # the one after it all


def test_batch_waits_for_what_its_handler_needs(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    publish(0)
    publish_many(*["plain"] * 5, "later", *["plain"] * 5)
    consumer = consume("BatchConsumer")
    until(lambda: waited(consumer) >= 8)
    written.with_suffix(".ready").touch()
    until(lambda: handled(written) == list(range(11)))


def test_event_that_kills_its_handler_is_found_among_its_batch(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    publish(0)
    publish_many(*["plain"] * 3, "fatal", *["plain"] * 3)
    assert consume("BatchConsumer").wait() == -signal.SIGKILL
    # From here on one by one, so that what comes before it is done with.
    assert consume("BatchConsumer").wait() == -signal.SIGKILL
    assert handled(written) == [0, 1, 2]
    assert batches(written)[-1] == 1


def test_pull_goes_on_when_it_has_had_all_that_it_asked_for(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_PULL_MESSAGES", 3)
    publish(0)
    publish_many(*["plain"] * 10)
    streams.ensure_consumer(STREAM, "pull", 2.5, timeout=2)
    pull = deliveries.Pull(STREAM, "pull")
    sequences = []
    while len(sequences) < 11:
        message = pull.next()
        if message is not None:
            sequences.append(deliveries.place(message).sequence)
            deliveries.acknowledge(message, b"+ACK")
    pull.close()
    assert sequences == list(range(sequences[0], sequences[0] + 11))


def next_of(pull: deliveries.Pull) -> nats.Message:
    """Return the next message, whatever says in between that the server lives."""
    return until(pull.next)


def test_what_is_skipped_is_not_given_out_and_what_follows_is(settings: dict[str, Any]) -> None:
    first = publish(0)
    publish_many(*["plain"] * 20)
    until(lambda: reads.last_sequence(STREAM, 2) == first + 20)
    streams.ensure_consumer(STREAM, "pull", 2.5, timeout=2)
    pull, other = deliveries.Pull(STREAM, "pull"), deliveries.Pull(STREAM, "pull")
    assert deliveries.place(next_of(pull)).sequence == first
    assert pull.skip(first + 14)
    following = next_of(pull)
    assert deliveries.place(following) == (first + 15, 1, 5)
    assert reads.backlog(STREAM, "pull", 2) == (5, 1, 0)  # still one at a time
    deliveries.acknowledge(following, b"+ACK")
    assert deliveries.place(next_of(pull)).sequence == first + 16
    pull.wake()  # as who is to stop: the batch in hand counts all the same
    assert pull.skip(first + 20)  # the last
    until(lambda: reads.has_handled(STREAM, "pull", first + 20, 2))
    assert publish(1) == first + 21
    assert deliveries.place(next_of(pull)).sequence == first + 21
    for each in (pull, other):
        each.close()


def test_nothing_is_skipped_after_the_connection_was_made_anew(
    settings: dict[str, Any], server: NatsServer
) -> None:
    """The stream may be an older copy, in which the same sequences are other events."""
    first = publish(0)
    publish_many(*["plain"] * 20)
    streams.ensure_consumer(STREAM, "pull", 2.5, timeout=2)
    pull = deliveries.Pull(STREAM, "pull")
    next_of(pull)
    server.stop()
    server.start()
    until(lambda: reads.backlog(STREAM, "pull", 2))  # now all know of the new connection
    assert not pull.skip(first + 14)
    assert reads.backlog(STREAM, "pull", 2) == (20, 1, 0)
    pull.close()


def test_nothing_is_skipped_over_a_connection_that_is_made_for_it(
    settings: dict[str, Any], server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was frozen for long looks first whether the connection is there, and makes another."""
    first = publish(0)
    publish_many(*["plain"] * 20)
    streams.ensure_consumer(STREAM, "pull", 2.5, timeout=2)
    pull = deliveries.Pull(STREAM, "pull")
    next_of(pull)
    server.stop()
    server.start()
    with monkeypatch.context() as frozen:
        frozen.setattr(client, "_STALE_SECONDS", -1)
        assert not pull.skip(first + 14)
    assert until(lambda: reads.backlog(STREAM, "pull", 2)) == (20, 1, 0)
    pull.close()


def test_who_may_not_skip_does_not_ask_again_for_a_while(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(0)
    pull = deliveries.Pull(STREAM, "nobody")
    assert not pull.skip(1)
    streams.ensure_consumer(STREAM, "nobody", 2.5, timeout=2)
    assert not pull.skip(1)
    monkeypatch.setattr(deliveries, "_NO_SKIP_SECONDS", 0.0)
    pull.close()
    pull = deliveries.Pull(STREAM, "somebody")
    assert not pull.skip(1)
    streams.ensure_consumer(STREAM, "somebody", 2.5, timeout=2)
    assert pull.skip(1)
    pull.close()


def test_batches_are_given_out_by_their_first_message(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    publish(0)
    publish_many(*["plain"] * 600)
    consume("BatchConsumer")
    until(lambda: len(numbers(written)) == 601)
    last = reads.last_sequence(STREAM, 2)
    until(lambda: reads.has_handled(STREAM, "test", last, 2))
    assert reads.backlog(STREAM, "test", 2) == (0, 0, 0)
    assert api.ask(f"CONSUMER.INFO.{STREAM}.test", {}, 2)["delivered"]["consumer_seq"] < 10


def test_batch_of_who_was_frozen_moves_the_consumer_not_back(
    consume: Callable[..., ServiceProcess], written: Path
) -> None:
    """Its pull has ended meanwhile: so it knows that others may have gone on."""
    first = publish(0, "later")
    publish_many(*["plain"] * 19)
    frozen = consume("BatchConsumer")
    until(lambda: waited(frozen))
    frozen.signal(signal.SIGSTOP)
    active = consume("BatchConsumer")
    until(lambda: waited(active))
    written.with_suffix(".ready").touch()
    publish_many(*["plain"] * 60)
    until(lambda: len(set(sequences(written))) == 80)
    until(lambda: api.ask(f"CONSUMER.INFO.{STREAM}.test", {}, 2)["num_waiting"] == 1)
    active.stop()
    before = len(sequences(written))
    frozen.signal(signal.SIGCONT)
    last = publish(99)
    until(lambda: last in sequences(written))
    assert {*sequences(written)[before:]} == {*range(first, first + 20), last}


def sequences(written: Path) -> list[int]:
    return [int(line.split()[1]) for line in written.read_text().splitlines()]
