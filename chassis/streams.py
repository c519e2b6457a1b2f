"""Streams: appending to the log of events and pulling from it (NATS JetStream)."""

import json
import logging
import time
from typing import Any

import nats.js
import nats.js.api
import nats.js.errors
from eventlet.queue import Empty, LightQueue
from nats.aio.client import Client

from chassis import config
from chassis.errors import Unavailable
from chassis.nats import MAX_PAYLOAD_BYTES
from chassis.nats import streams as connection

log = logging.getLogger(__name__)

_DUPLICATE_WINDOW_SECONDS = 120
_NAME_IN_USE_API_CODES = (10058, 10148, 10013)
_PULL_SECONDS = 5.0
_PULL_MESSAGES = 1000
_HEARTBEAT_SECONDS = 1.0


def check_configuration() -> None:
    """Raise ConfigurationError where the configuration names no servers of streams."""
    config.servers("NATS_URL", "nats", "tls")
    config.positive_integer("STREAM_REPLICAS")


def publish(stream: str, subject: str, body: bytes, message_id: str, timeout: float) -> int:
    """Append to a stream; return the sequence that the stream gave it.

    The acknowledgement means that the message is stored. Raises Unavailable when that is not
    known; repeat then with the same ``message_id``, which the stream drops if it has it.
    """
    headers = {"Nats-Msg-Id": message_id, "Nats-Expected-Stream": stream}

    async def append(client: Client) -> int:
        js = client.jetstream(timeout=timeout)
        try:
            ack = await js.publish(subject, body, timeout=timeout, headers=headers)
        except nats.js.errors.NoStreamResponseError:
            await _declare_stream(js, stream)
            ack = await js.publish(subject, body, timeout=timeout, headers=headers)
        return ack.seq

    try:
        return connection().call(append, timeout)
    except nats.js.errors.APIError as error:
        raise Unavailable("stream_unavailable", "The event log refused the event.") from error


def ensure_consumer(stream: str, durable: str, ack_wait: float, timeout: float) -> None:
    """Make the stream and its durable pull consumer where they are not there.

    ``max_ack_pending=1``: the server hands out the next message only after the one before is
    acknowledged, so that however many replicas pull, messages are handled in the stream's order
    and one at a time. Raises Unavailable.
    """
    wanted = nats.js.api.ConsumerConfig(
        durable_name=durable,
        ack_policy=nats.js.api.AckPolicy.EXPLICIT,
        deliver_policy=nats.js.api.DeliverPolicy.ALL,
        ack_wait=ack_wait,
        max_ack_pending=1,
        max_deliver=-1,
    )

    async def declare(client: Client) -> None:
        js = client.jetstream(timeout=timeout)
        await _declare_stream(js, stream)
        await js.add_consumer(stream, wanted)

    try:
        connection().call(declare, timeout)
    except nats.js.errors.APIError as error:
        raise Unavailable("stream_unavailable", "The event log refused the consumer.") from error


async def _declare_stream(js: nats.js.JetStreamContext, stream: str) -> None:
    wanted = nats.js.api.StreamConfig(
        name=stream,
        subjects=[f"{stream}.>"],
        storage=nats.js.api.StorageType.FILE,
        num_replicas=config.positive_integer("STREAM_REPLICAS"),
        duplicate_window=_DUPLICATE_WINDOW_SECONDS,
        max_msg_size=MAX_PAYLOAD_BYTES,
        allow_direct=True,
        # Readers order events by their sequence. A stream that was lost and is made anew must go
        # on above it: the clock in milliseconds does, below a thousand events a second.
        first_seq=int(time.time() * 1000),
    )
    try:
        await js.stream_info(stream)
    except nats.js.errors.NotFoundError:
        pass
    else:
        return  # perhaps changed by an operator: theirs to decide
    try:
        await js.add_stream(wanted)
    except nats.js.errors.BadRequestError as error:
        # Another process has made it in between.
        if error.err_code not in _NAME_IN_USE_API_CODES:
            raise


class PullEnded(Exception):
    """The pull has fallen silent, or its stream or consumer is gone: begin anew."""


class Pull:
    """A pull on a durable consumer that notices when it has fallen silent.

    nats-py's own pull subscription (2.16) can wait for ever after the server was restarted; this
    asks for heartbeats, and missing two of them ends it.
    """

    def __init__(self, stream: str, durable: str) -> None:
        self._connection = connection()
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = self._connection.new_inbox()
        self._arrived: LightQueue = LightQueue()
        self._subscription = self._connection.subscribe(self._inbox, self._arrived.put_nowait)
        self._asked = False

    def next(self) -> Any:
        """Return the next message, or None when there is none for now.

        Raises PullEnded, and Unavailable when NATS is away.
        """
        if not self._asked:
            self._ask()
        try:
            message = self._arrived.get(timeout=2 * _HEARTBEAT_SECONDS + 0.5)
        except Empty:
            raise PullEnded("no heartbeat") from None
        if message is None:
            return None
        status = (message.headers or {}).get("Status")
        if status is None:
            return message
        if status == "408":  # asked for long enough and nothing came: ask again
            self._asked = False
        elif status != "100":  # neither a heartbeat
            raise PullEnded(f"status {status}")
        return None

    def wake(self) -> None:
        """Make ``next`` return."""
        self._arrived.put_nowait(None)

    def close(self) -> None:
        """Stop listening, and give back what has arrived meanwhile."""
        self._subscription.unsubscribe()
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message is not None and message.reply.startswith("$JS.ACK."):
                acknowledge(message, b"-NAK")

    def _ask(self) -> None:
        request = {
            "batch": _PULL_MESSAGES,
            "expires": int(_PULL_SECONDS * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * 1e9),
        }
        self._connection.publish(self._next, json.dumps(request).encode(), reply=self._inbox)
        self._asked = True


def acknowledge(message: Any, word: bytes) -> None:
    """Say what became of a message (``+ACK``, ``-NAK``, ``+WPI``, ``+TERM``); NATS ADR-13."""
    try:
        connection().publish(message.reply, word)
    except Unavailable:
        log.debug("an acknowledgement was not sent: the message will come again")
