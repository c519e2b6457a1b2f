"""The subset of AMQP that kombu and nameko use, over the queues of this process."""

import logging
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from eventlet.queue import Empty, LightQueue
from kombu.message import Message
from kombu.transport import base

from chassis import config
from chassis.bus.calls import Call
from chassis.bus.envelope import DEADLINE_HEADER, Envelope, headers, number
from chassis.bus.queues import Queue
from chassis.bus.subjects import subject
from chassis.errors import Unavailable
from chassis.nats import Message as Delivered

log = logging.getLogger(__name__)


class Channel(base.StdChannel):
    """The subset of AMQP that kombu and nameko use."""

    def __init__(self, transport: Any) -> None:
        self.connection: Any = transport
        self.bus = transport.bus
        self.channel_id = 1
        self._bound: dict[str, tuple[Queue, Callable[[Envelope], None], bool]] = {}
        self._tags = count(1)
        self._unacknowledged: dict[int, Envelope] = {}
        self._prefetch = 0
        self._freed: LightQueue = LightQueue(1)

    # -- declarations: nothing exists in NATS until somebody subscribes

    def exchange_declare(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: a subject needs no declaration."""

    def exchange_bind(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: nameko does not use it."""
        raise NotImplementedError("exchanges cannot be bound to each other over NATS")

    def queue_declare(self, queue: str = "", **kwargs: Any) -> Any:
        """Make the queue known in this process."""
        return self.bus.queue(queue).name, 0, 0

    def queue_bind(
        self, queue: str = "", exchange: str = "", routing_key: str = "", **kwargs: Any
    ) -> None:
        """Bind the queue to a subject."""
        self.bus.queue(queue).bind(exchange, routing_key)

    # -- publishing

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> Envelope:
        """Bring the parts of a message together."""
        return {
            "body": body if isinstance(body, bytes) else str(body).encode(),
            "properties": {
                "content_type": content_type,
                "content_encoding": content_encoding,
                "correlation_id": (properties or {}).get("correlation_id"),
                "reply_to": (properties or {}).get("reply_to"),
                "headers": headers or {},
            },
        }

    def basic_publish(
        self,
        message: Envelope,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **kwargs: Any,
    ) -> None:
        """Publish; a request (``mandatory``, with ``reply_to``) is followed until its answer.

        Raises Unavailable while NATS is away, but not for a reply: its caller, if it is still
        there, gets an answer from its own side.
        """
        properties = message["properties"]
        reply_to = properties["reply_to"]
        if mandatory and reply_to:
            self._request(message, subject(exchange, routing_key), routing_key)
            return
        if not routing_key:
            return  # the reply to a message that named no address
        try:
            self._send(message, subject(exchange, routing_key))
        except Unavailable:
            if not properties["correlation_id"]:
                raise
            log.warning("a reply was not sent: the message bus is away")

    def _request(self, message: Envelope, to: str, key: str) -> None:
        given = message["properties"]["reply_to"]
        reply_to = self.bus.reply_addresses.get(given, given)
        message["properties"]["reply_to"] = reply_to
        passed_on = message["properties"]["headers"]
        limit = time.time() + config.positive("RPC_TIMEOUT_SECONDS")
        deadline = min(number(passed_on.get(DEADLINE_HEADER), limit), limit)
        passed_on[DEADLINE_HEADER] = deadline
        correlation_id = message["properties"]["correlation_id"]
        send = partial(self._send, message, to)
        service, fail = key.partition(".")[0], self.bus.failures.get(reply_to, _ignore)
        self.bus.calls.make(Call(correlation_id, service, deadline, send, fail))

    def _send(self, message: Envelope, to: str, reply: str = "") -> None:
        properties = headers(message["properties"])
        self.bus.connection.publish(to, message["body"], reply=reply, headers=properties)

    # -- consuming

    def basic_qos(self, prefetch_size: int, prefetch_count: int, apply_global: bool) -> None:
        """Bound the messages that are handed out and not acknowledged; 0 is no bound."""
        self._prefetch = prefetch_count

    def basic_consume(
        self,
        queue: str,
        no_ack: bool = False,
        callback: Any = None,
        consumer_tag: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Join the queue's group and hand its messages to the callback."""
        tag = consumer_tag or f"{queue}-{id(self)}"
        self._bound[tag] = (self.bus.queue(queue), callback, no_ack)
        self.bus.queue(queue).subscribe()
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """Leave the group; replies go on being kept for whoever consumes them next."""
        bound = self._bound.pop(consumer_tag, None)
        if bound is not None and not bound[0].holds_replies:
            bound[0].unsubscribe()

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """Forget a message that has been dealt with."""
        self._unacknowledged.pop(delivery_tag, None)
        if self._freed.empty():
            self._freed.put_nowait(None)

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """Forget a message, or give it to another replica: this one is leaving the group."""
        envelope = self._unacknowledged.get(delivery_tag)
        self.basic_ack(delivery_tag)
        if requeue and envelope is not None and envelope["message"] is not None:
            self._give_back(envelope["message"])

    def _give_back(self, message: Delivered) -> None:
        for queue, _, _ in self._bound.values():
            queue.unsubscribe()
        try:
            self.bus.connection.flush(1)
            self.bus.connection.forward(message)
        except Unavailable:
            log.debug("a request could not be given back: the message bus is away")

    @property
    def consumes(self) -> bool:
        """Say whether anybody waits for messages here."""
        return bool(self._bound)

    def drain(self, timeout: float | None) -> None:
        """Hand out one message; raise ``socket.timeout`` when none came in time."""
        started = time.monotonic()
        try:
            while self._prefetch and len(self._unacknowledged) >= self._prefetch:
                self._freed.get(timeout=_left(timeout, started))
            queue, callback, no_ack = next(iter(self._bound.values()))
            envelope = queue.get(_left(timeout, started))
        except (Empty, StopIteration):
            raise TimeoutError from None
        tag = next(self._tags)
        if not no_ack:
            self._unacknowledged[tag] = envelope
        callback({**envelope, "delivery_tag": tag})

    def message_to_python(self, envelope: Envelope) -> Message:
        """Make kombu's message of what arrived."""
        properties = envelope["properties"]
        return Message(  # type: ignore[no-untyped-call]
            body=envelope["body"],
            channel=self,
            delivery_tag=envelope["delivery_tag"],
            content_type=properties["content_type"],
            content_encoding=properties["content_encoding"],
            delivery_info={"exchange": "", "routing_key": envelope["routing_key"]},
            properties=properties,
            headers=properties["headers"],
        )

    def close(self) -> None:
        """Leave every group."""
        for tag in list(self._bound):
            self.basic_cancel(tag)
        self.connection = None


def _ignore(correlation_id: str, error: Exception) -> None:
    """Fail a call of which nobody awaits a reply here."""


def _left(timeout: float | None, started: float) -> float | None:
    return None if timeout is None else max(0.0, timeout - (time.monotonic() - started))
