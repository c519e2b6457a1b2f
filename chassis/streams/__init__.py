"""Streams: declaring and appending to the log of events (NATS JetStream)."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from chassis import config
from chassis.nats import MAX_PAYLOAD_BYTES, NO_RESPONDERS
from chassis.nats import streams as connection
from chassis.nats.protocol import head_of
from chassis.streams import api

_SECOND = 1_000_000_000  # NATS counts nanoseconds
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
    head, end = head_of(headers), time.monotonic() + timeout
    reply = connection().request(subject, body, timeout, head)
    try:
        if reply.status == NO_RESPONDERS:
            _declare_stream(stream, end - time.monotonic())
            reply = connection().request(subject, body, end - time.monotonic(), head)
        return int(api.answer(reply)["seq"])
    except api.Refused as error:
        raise api.unavailable("refused the event") from error


def delete(stream: str, sequence: int, timeout: float) -> None:
    """Take a message out of a stream, if it is there; raise Unavailable."""
    try:
        api.ask(f"STREAM.MSG.DELETE.{stream}", {"seq": sequence}, timeout)
    except api.Refused as error:
        if error.status != api.NOT_FOUND and error.code not in _NO_SUCH_MESSAGE_API_CODES:
            raise api.unavailable("refused to delete") from error


def purge(stream: str, subject: str, last: int, timeout: float) -> None:
    """Take a subject's messages up to a sequence out of a stream; raise Unavailable."""
    try:
        api.ask(f"STREAM.PURGE.{stream}", {"seq": last + 1, "filter": subject}, timeout)
    except api.Refused as error:
        if error.status != api.NOT_FOUND:  # else there is no such stream
            raise api.unavailable("refused to delete") from error


def ensure_consumer(stream: str, durable: str, ack_wait: float, timeout: float) -> int:
    """Make the stream and its durable pull consumer where they are not there.

    Return the sequence of the message that is given out and not acknowledged, or 0.

    ``max_ack_pending=1``: the server hands out the next message only after the one before is
    acknowledged, so that however many replicas pull, messages are handled in the stream's order
    and one at a time. Raises Unavailable.
    """
    wanted = {
        "durable_name": durable,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "ack_wait": int(ack_wait * _SECOND),
        "max_ack_pending": 1,
        "max_deliver": -1,
    }
    end = time.monotonic() + timeout
    try:
        _declare_stream(stream, timeout)
        info = api.ask(
            f"CONSUMER.DURABLE.CREATE.{stream}.{durable}",
            {"stream_name": stream, "config": wanted},
            end - time.monotonic(),
        )
    except api.Refused as error:
        raise api.unavailable("refused the consumer") from error
    # There is one at most, and therefore it is the last that was given out.
    return int(info["delivered"]["stream_seq"]) if info.get("num_ack_pending") else 0


def _declare_stream(stream: str, timeout: float) -> None:
    """Make the stream where it is not there; raise Refused and Unavailable."""
    end = time.monotonic() + timeout
    try:
        api.ask(f"STREAM.INFO.{stream}", {}, timeout)
    except api.Refused as error:
        if error.status != api.NOT_FOUND:
            raise
    else:
        return  # perhaps changed by an operator: theirs to decide
    try:
        api.ask(f"STREAM.CREATE.{stream}", _wanted(stream), end - time.monotonic())
    except api.Refused as error:
        # Another process has made it in between.
        if error.code not in _NAME_IN_USE_API_CODES:
            raise


def _wanted(stream: str) -> dict[str, Any]:
    return {
        "name": stream,
        "subjects": [f"{stream}.>"],
        "retention": "limits",
        "storage": "file",
        "num_replicas": config.positive_integer("STREAM_REPLICAS"),
        "duplicate_window": _DUPLICATE_WINDOW_SECONDS * _SECOND,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": MAX_PAYLOAD_BYTES,
        "allow_direct": True,
        "allow_atomic": True,
        # Readers order events by their sequence. A stream that was lost and is made anew must go
        # on above it: the clock in milliseconds does, below a thousand events a second.
        "first_seq": int(time.time() * 1000),
    }
