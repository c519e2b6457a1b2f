"""What a durable consumer of a stream is given: pulling messages, and acknowledging them."""

import logging
from collections import deque
from time import monotonic
from typing import NamedTuple

import msgspec
from eventlet import hubs

from chassis.arrival import Arrival
from chassis.errors import Unavailable
from chassis.nats import Message
from chassis.nats import streams as connection
from chassis.streams import api

log = logging.getLogger(__name__)

_PULL_SECONDS = 5.0
_PULL_MESSAGES = 1000
_HEARTBEAT_SECONDS = 2.0
_SKIP_SECONDS = 1.0
# NATS may be too old to skip (2.14 does), or not let us; or it did not answer just then.
_NO_SKIP_SECONDS = 600.0
_HEARTBEAT, _TIMED_OUT = b"100", b"408"


class Place(NamedTuple):
    """What a delivered message says of itself: where it stands, and how many come after it."""

    sequence: int
    deliveries: int
    waiting: int


class PullEnded(Exception):
    """The pull has fallen silent, or its stream or consumer is gone: begin anew."""


class Pull:
    """A pull on a durable consumer that notices when it has fallen silent.

    It ends when the connection was made anew, and when two of the heartbeats that it asks for are
    missing.
    """

    def __init__(self, stream: str, durable: str) -> None:
        self._connection = connection()
        self._consumer = f"{stream}.{durable}"
        self._inbox = self._connection.new_inbox()
        self._arrived: deque[Message | None] = deque()
        self._awaited: Arrival | None = None
        self._subscription = self._connection.subscribe(self._inbox, self._put)
        self._reconnections = self._connection.reconnections
        self._connection.watch(self.wake)
        self._left = 0  # how many messages the server still may send of those asked for
        self._skips_after = 0.0  # on the monotonic clock

    def next(self) -> Message | None:
        """Return the next message, or None when there is none for now.

        Raises PullEnded, and Unavailable when NATS is away.
        """
        if self._connection.reconnections != self._reconnections:
            raise PullEnded("the connection was made anew")
        if not self._left:
            self._ask()
        if not self._arrived:
            self._wait()
        message = self._arrived.popleft()
        if message is None:
            return None
        status = message.status
        if not status:
            self._left -= 1
            return message
        if status == _TIMED_OUT:  # asked for long enough and nothing came: ask again
            self._left = 0
        elif status != _HEARTBEAT:  # neither a heartbeat
            raise PullEnded(f"status {status.decode()}")
        return None

    def skip(self, sequence: int) -> bool:
        """Let the consumer go on after a sequence, and nothing up to it be given out.

        For who holds the one message that is given out, and is done with all from it on, up to
        this one. Return False where that is not known to have happened: then acknowledge.
        """
        if monotonic() < self._skips_after or not self._is_undisturbed():
            return False
        try:
            api.ask(f"CONSUMER.RESET.{self._consumer}", {"seq": sequence + 1}, _SKIP_SECONDS)
        except (Unavailable, api.Refused) as error:
            self._skips_after = monotonic() + _NO_SKIP_SECONDS
            log.debug("messages are acknowledged one by one: %s", error)
            return False
        return True

    def _is_undisturbed(self) -> bool:
        # Else the stream may be another one, in which these sequences are other messages. Or we
        # were frozen, and others have gone on since: then the end of the pull has come meanwhile.
        said = (message is None or message.status == _HEARTBEAT for message in self._arrived)
        return self._connection.is_still(self._reconnections) and all(said)

    def wake(self) -> None:
        """Make ``next`` return."""
        self._put(None)

    def close(self) -> None:
        """Stop listening, and give back what has arrived meanwhile."""
        self._connection.unwatch(self.wake)
        self._subscription.unsubscribe()
        while self._arrived:
            message = self._arrived.popleft()
            if message is not None and message.reply.startswith("$JS.ACK."):
                acknowledge(message, b"-NAK")

    def _put(self, message: Message | None) -> None:
        self._arrived.append(message)
        if self._awaited is not None:
            self._awaited.bring(True)

    def _wait(self) -> None:
        arrival = self._awaited = Arrival()
        silence = 2 * _HEARTBEAT_SECONDS + 0.5
        timer = hubs.get_hub().schedule_call_global(silence, arrival.bring, False)
        try:
            if not arrival.wait():
                raise PullEnded("no heartbeat")
        finally:
            timer.cancel()
            self._awaited = None

    def _ask(self) -> None:
        request = {
            "batch": _PULL_MESSAGES,
            "expires": int(_PULL_SECONDS * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * 1e9),
        }
        where = f"$JS.API.CONSUMER.MSG.NEXT.{self._consumer}"
        self._connection.publish(where, msgspec.json.encode(request), reply=self._inbox)
        self._left = _PULL_MESSAGES


def acknowledge(message: Message, word: bytes) -> None:
    """Say what became of a message (``+ACK``, ``-NAK``, ``+WPI``, ``+TERM``); NATS ADR-13."""
    say(message.reply, word)


def say(reply: str, word: bytes) -> None:
    """Say what became of the message whose reply subject this is."""
    try:
        connection().publish(reply, word)
    except Unavailable:
        log.debug("an acknowledgement was not sent: the message will come again")


def place(message: Message) -> Place:
    """Read what a message's reply subject says of it.

    ``$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>``, or
    with domain and account before the stream (NATS ADR-15).
    """
    tokens = message.reply.split(".")
    at = 4 if len(tokens) < 11 else 6
    return Place(int(tokens[at + 1]), int(tokens[at]), int(tokens[at + 4]))
