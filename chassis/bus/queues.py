"""The queues of this process and where they listen."""

import json
import logging
from functools import partial
from typing import Protocol

from eventlet.queue import LightQueue
from nameko.exceptions import UnknownService, deserialize_to_instance, serialize

from chassis import nats
from chassis.bus.calls import Calls, Fail
from chassis.bus.envelope import Envelope, envelope, is_late, parse
from chassis.bus.subjects import bindings, subject
from chassis.errors import Unavailable
from chassis.nats import Message, Subscription

log = logging.getLogger(__name__)

_REPLY_QUEUE_PREFIX = "rpc.reply-"  # nameko.rpc.RPC_REPLY_QUEUE_TEMPLATE

# Without this a caller would get a RemoteError for a service that nobody runs.
deserialize_to_instance(UnknownService)


class Bus:
    """What this process's channels share: the connection, the queues and the calls under way."""

    def __init__(self, url: str) -> None:
        self.connection = nats.connection(url)
        self.queues: dict[str, Queue] = {}
        self.consumers: set[Consumer] = set()  # beside the queues
        # Where replies are really sent, by the key that nameko gave the queue; and who fails a
        # call whose replies are sent there.
        self.reply_addresses: dict[str, str] = {}
        self.failures: dict[str, Fail] = {}
        self.calls = Calls(self.connection)

    def queue(self, name: str) -> "Queue":
        """Return the queue of this name, made on first use."""
        if name not in self.queues:
            self.queues[name] = Queue(self, name)
        return self.queues[name]

    def drain(self, seconds: float) -> None:
        """Leave every queue group: no new work; what has arrived is still handed out."""
        for queue in list(self.queues.values()):
            if not queue.holds_replies:
                queue.unsubscribe()
        for consumer in self.consumers:
            consumer.unsubscribe()
        try:
            self.connection.flush(seconds)
        except Unavailable:
            log.debug("NATS is away while the bus drains")

    @property
    def waiting(self) -> int:
        """Count the messages that have arrived and are not yet handed out."""
        queues = [queue for queue in self.queues.values() if not queue.holds_replies]
        return sum(map(len, [*queues, *self.consumers]))


class Consumer(Protocol):
    """Who takes messages without a queue."""

    def __len__(self) -> int:
        """Count those that have arrived and wait."""

    def unsubscribe(self) -> None:
        """Leave the queue group."""


class Queue:
    """A queue group of this process, or the place where its replies arrive."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.name = name
        self.holds_replies = name.startswith(_REPLY_QUEUE_PREFIX)
        self._bus = bus
        self._exchanges: dict[str, str] = {}  # by the subject bound
        self._subscriptions: dict[str, Subscription] = {}
        self._arrived: LightQueue = LightQueue()

    def __len__(self) -> int:
        return self._arrived.qsize()

    def bind(self, exchange: str, key: str) -> None:
        """Add what the queue listens to."""
        if self.holds_replies:
            # Under the name of the service, so that it alone can be granted to listen there.
            owner = self.name.removeprefix(_REPLY_QUEUE_PREFIX).removesuffix(f"-{key}")
            address = f"reply.{owner}.{key}"
            self._bus.reply_addresses[key] = address
            self._bus.failures[address] = self._fail
            key = address
        self._exchanges.update(dict.fromkeys(bindings(exchange, key), exchange))
        if self.holds_replies:
            # A reply can come before its caller starts to consume, as in ``nameko shell``.
            self.subscribe()

    def subscribe(self) -> None:
        """Join the queue group."""
        for wanted in set(self._exchanges) - set(self._subscriptions):
            self._subscriptions[wanted] = self._bus.connection.subscribe(
                wanted, partial(self._on_message, wanted), queue=subject(self.name)
            )

    def unsubscribe(self) -> None:
        """Leave the queue group."""
        while self._subscriptions:
            self._subscriptions.popitem()[1].unsubscribe()

    def _fail(self, correlation_id: str, error: Exception) -> None:
        body = json.dumps({"result": None, "error": serialize(error)}).encode()
        self._arrived.put_nowait(envelope(body, {"correlation_id": correlation_id}))

    def get(self, timeout: float | None) -> Envelope:
        """Return the next message that is not too late; raise ``queue.Empty``."""
        while True:
            message: Envelope = self._arrived.get(timeout=timeout)
            if not is_late(message):
                return message
            log.debug("dropped a request whose deadline has passed")

    def _on_message(self, bound: str, delivered: Message) -> None:
        message = parse(delivered, subject(self._exchanges[bound]))
        if self.holds_replies:
            self._bus.calls.answered(message["properties"]["correlation_id"])
        self._arrived.put_nowait(message)


_buses: dict[str, Bus] = {}


def bus(url: str) -> Bus:
    """Return this process's bus on these servers."""
    if url not in _buses:
        _buses[url] = Bus(url)
    return _buses[url]


def drain(seconds: float) -> None:
    """Leave every queue group of this process."""
    for each in _buses.values():
        each.drain(seconds)


def waiting() -> int:
    """Count the messages that have arrived in this process and are not yet handed out."""
    return sum(each.waiting for each in _buses.values())
