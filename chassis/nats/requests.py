"""Requests over core NATS: who asks waits for one reply, or for many, up to a limit of time.

All replies of a connection arrive on one subscription. When the connection is lost, whoever waits
is told at once: what was asked of a server that has gone is not answered by the next one.
"""

import itertools
from collections.abc import Callable
from typing import Any

from eventlet import hubs

from chassis.arrival import Arrival
from chassis.errors import Unavailable
from chassis.nats.protocol import Message

Hear = Callable[[Message], None]
Publish = Callable[[str, bytes, str, bytes], None]


class Requests:
    """The requests of one connection."""

    def __init__(self, inbox: str, publish: Publish, subscribe: Callable[[str, Hear], Any]) -> None:
        self._inbox = inbox
        self._publish = publish
        self._subscribe = subscribe
        self._subscribed = False
        self._numbers = itertools.count()
        self._waiting: dict[str, tuple[Hear, Arrival]] = {}

    def ask(self, subject: str, body: bytes, seconds: float, head: bytes = b"") -> Message:
        """Return the reply, which may say that nobody listens; raise Unavailable without one."""
        arrival = Arrival()
        reply: Message = self._exchange(arrival.bring, arrival, (subject, body, head), seconds)
        return reply

    def gather(
        self, subject: str, body: bytes, seconds: float, is_last: Callable[[Message], bool]
    ) -> list[Message]:
        """Return all replies, up to the last one; raise Unavailable where that does not come."""
        arrival = Arrival()
        found: list[Message] = []

        def hear(message: Message) -> None:
            found.append(message)
            if is_last(message):
                arrival.bring(message)

        self._exchange(hear, arrival, (subject, body, b""), seconds)
        return found

    def lose(self) -> None:
        """Tell all who wait that the connection is lost."""
        for _, arrival in list(self._waiting.values()):
            arrival.bring(None)

    def _exchange(
        self, hear: Hear, arrival: Arrival, request: tuple[str, bytes, bytes], seconds: float
    ) -> Any:
        if not self._subscribed:
            self._subscribed = True
            self._subscribe(f"{self._inbox}.*", self._on_reply)
        subject, body, head = request
        address = f"{self._inbox}.{next(self._numbers)}"
        self._waiting[address] = hear, arrival
        timer = hubs.get_hub().schedule_call_global(max(0.0, seconds), arrival.bring, None)
        try:
            self._publish(subject, body, address, head)
            reply = arrival.wait()
        finally:
            timer.cancel()
            del self._waiting[address]
        if reply is None:
            raise Unavailable("bus_unavailable", "The message bus did not answer.")
        return reply

    def _on_reply(self, message: Message) -> None:
        waiting = self._waiting.get(message.subject)
        if waiting is not None:
            waiting[0](message)
