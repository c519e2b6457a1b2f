"""Streams: declaring and appending to the log of events (NATS JetStream)."""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import nats.js
import nats.js.api
import nats.js.errors
from nats.aio.client import Client

from chassis import config
from chassis.errors import Unavailable
from chassis.nats import MAX_PAYLOAD_BYTES
from chassis.nats import streams as connection

log = logging.getLogger(__name__)

_DUPLICATE_WINDOW_SECONDS = 120
_NAME_IN_USE_API_CODES = (10058, 10148, 10013)
_NO_SUCH_MESSAGE_API_CODES = (10037, 10057)


def check_configuration() -> None:
    """Raise ConfigurationError where the configuration names no servers of streams."""
    config.servers("NATS_URL", "nats", "tls")
    config.positive_integer("STREAM_REPLICAS")


def publish(
    stream: str,
    subject: str,
    body: bytes,
    message_id: str,
    timeout: float,
    more: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Append to a stream; return the sequence that the stream gave it.

    The acknowledgement means that the message is stored. Raises Unavailable when that is not
    known; repeat then with the same ``message_id``, which the stream drops if it has it. ``more``
    are further headers.
    """
    headers = {**more, "Nats-Msg-Id": message_id, "Nats-Expected-Stream": stream}

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


def delete(stream: str, sequence: int, timeout: float) -> None:
    """Take a message out of a stream, if it is there; raise Unavailable."""

    async def remove(client: Client) -> None:
        with suppress(nats.js.errors.NotFoundError):
            await client.jetstream(timeout=timeout).delete_msg(stream, sequence)

    try:
        connection().call(remove, timeout)
    except nats.js.errors.APIError as error:
        if error.err_code in _NO_SUCH_MESSAGE_API_CODES:
            return
        raise Unavailable("stream_unavailable", "The event log refused to delete.") from error


def purge(stream: str, subject: str, last: int, timeout: float) -> None:
    """Take a subject's messages up to a sequence out of a stream; raise Unavailable."""

    async def remove(client: Client) -> None:
        with suppress(nats.js.errors.NotFoundError):  # there is no such stream
            js = client.jetstream(timeout=timeout)
            await js.purge_stream(stream, seq=last + 1, subject=subject)

    try:
        connection().call(remove, timeout)
    except nats.js.errors.APIError as error:
        raise Unavailable("stream_unavailable", "The event log refused to delete.") from error


def ensure_consumer(stream: str, durable: str, ack_wait: float, timeout: float) -> int:
    """Make the stream and its durable pull consumer where they are not there.

    Return the sequence of the message that is given out and not acknowledged, or 0.

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

    async def declare(client: Client) -> int:
        js = client.jetstream(timeout=timeout)
        await _declare_stream(js, stream)
        info = await js.add_consumer(stream, wanted)
        # There is one at most, and therefore it is the last that was given out.
        return info.delivered.stream_seq if info.num_ack_pending and info.delivered else 0

    try:
        return connection().call(declare, timeout)
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
        allow_atomic=True,
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
