"""What a durable consumer of a stream is given: pulling messages, and acknowledging them."""

import json
import logging
from typing import Any, NamedTuple

from eventlet.queue import Empty, LightQueue

from chassis.errors import Unavailable
from chassis.nats import streams as connection

log = logging.getLogger(__name__)

_PULL_SECONDS = 5.0
_PULL_MESSAGES = 1000
_HEARTBEAT_SECONDS = 2.0


class Place(NamedTuple):
    """What a delivered message says of itself: where it stands, and how many come after it."""

    sequence: int
    deliveries: int
    waiting: int


class PullEnded(Exception):
    """The pull has fallen silent, or its stream or consumer is gone: begin anew."""


class Pull:
    """A pull on a durable consumer that notices when it has fallen silent.

    nats-py's own pull subscription (2.16) can wait for ever after the server was restarted; this
    ends when the connection was made anew, and when two of the heartbeats that it asks for are
    missing.
    """

    def __init__(self, stream: str, durable: str) -> None:
        self._connection = connection()
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = self._connection.new_inbox()
        self._arrived: LightQueue = LightQueue()
        self._subscription = self._connection.subscribe(self._inbox, self._arrived.put_nowait)
        self._reconnections = self._connection.reconnections
        self._connection.watch(self.wake)
        self._left = 0  # how many messages the server still may send of those asked for

    def next(self) -> Any:
        """Return the next message, or None when there is none for now.

        Raises PullEnded, and Unavailable when NATS is away.
        """
        if self._connection.reconnections != self._reconnections:
            raise PullEnded("the connection was made anew")
        if not self._left:
            self._ask()
        try:
            message = self._arrived.get(timeout=2 * _HEARTBEAT_SECONDS + 0.5)
        except Empty:
            raise PullEnded("no heartbeat") from None
        if message is None:
            return None
        status = (message.headers or {}).get("Status")
        if status is None:
            self._left -= 1
            return message
        if status == "408":  # asked for long enough and nothing came: ask again
            self._left = 0
        elif status != "100":  # neither a heartbeat
            raise PullEnded(f"status {status}")
        return None

    def wake(self) -> None:
        """Make ``next`` return."""
        self._arrived.put_nowait(None)

    def close(self) -> None:
        """Stop listening, and give back what has arrived meanwhile."""
        self._connection.unwatch(self.wake)
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
        self._left = _PULL_MESSAGES


def acknowledge(message: Any, word: bytes) -> None:
    """Say what became of a message (``+ACK``, ``-NAK``, ``+WPI``, ``+TERM``); NATS ADR-13."""
    say(message.reply, word)


def say(reply: str, word: bytes) -> None:
    """Say what became of the message whose reply subject this is."""
    try:
        connection().publish(reply, word)
    except Unavailable:
        log.debug("an acknowledgement was not sent: the message will come again")


def place(message: Any) -> Place:
    """Read what a message's reply subject says of it.

    ``$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>``, or
    with domain and account before the stream (NATS ADR-15).
    """
    tokens = message.reply.split(".")
    at = 4 if len(tokens) < 11 else 6
    return Place(int(tokens[at + 1]), int(tokens[at]), int(tokens[at + 4]))
