"""The calls that this process has under way over NATS, and the answer that each is sure to get."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import eventlet
from eventlet import hubs
from nameko.exceptions import UnknownService

from chassis.errors import ServiceError, Unavailable
from chassis.nats import NO_RESPONDERS, Client, Message

# NATS says that nobody listens also while a service moves from a node that has died to another
# one. So a service that has answered is looked for again, for a while; then it is unknown.
_LOOK_FOR_SECONDS = 1.5
_LOOK_AGAIN_SECONDS = 0.05

Send = Callable[[str], None]  # with the subject on which NATS may say that nobody listens
Fail = Callable[[str, Exception], None]  # with the call's id


@dataclass(slots=True)
class Call:
    """A request that has no answer yet; ``fail`` answers it when nobody else does."""

    id: str
    service: str
    deadline: float
    send: Send
    fail: Fail
    timer: Any = None
    missed: float = 0.0  # when NATS first said that nobody listens, monotonic
    unheard: bool = False  # certainly nobody has got it


class Calls:
    """Watch each request until its reply, its deadline, or NATS's word that nobody listens."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._pending: dict[str, Call] = {}
        self._returns = ""
        self._heard: set[str] = set()  # services that have answered

    def make(self, call: Call) -> None:
        """Send a request, and see to its answer; raise what sending raises."""
        if not self._returns:
            self._returns = self._connection.new_inbox()
            self._connection.subscribe(f"{self._returns}.*", self._on_return)
        self._pending[call.id] = call
        seconds = max(0.0, call.deadline - time.time())
        call.timer = hubs.get_hub().schedule_call_global(seconds, self._expire, call.id)
        try:
            self._send(call)
        except ServiceError as error:
            self._fail(call.id, error)  # so that nobody goes on waiting
            raise

    def answered(self, correlation_id: str) -> None:
        """Stop watching: the reply is there."""
        call = self._finish(correlation_id)
        if call is not None:
            self._heard.add(call.service)

    def _send(self, call: Call) -> None:
        call.unheard = False
        call.send(f"{self._returns}.{call.id}")

    def _finish(self, correlation_id: str) -> Call | None:
        call = self._pending.pop(correlation_id, None)
        if call is not None:
            call.timer.cancel()
        return call

    def _fail(self, correlation_id: str, error: Exception) -> None:
        call = self._finish(correlation_id)
        if call is not None:
            call.fail(correlation_id, error)

    def _expire(self, correlation_id: str) -> None:
        call = self._pending.get(correlation_id)
        if call is None:
            return
        sentence = f"{call.service} did not answer in time; try again."
        late = Unavailable("peer_timed_out", sentence)
        self._fail(correlation_id, UnknownService(call.service) if call.unheard else late)

    def _on_return(self, message: Message) -> None:
        if message.status != NO_RESPONDERS:
            return
        call = self._pending.get(message.subject.rpartition(".")[2])
        if call is None:
            return
        call.unheard = True
        if self._may_come_back(call):
            eventlet.spawn_after(_LOOK_AGAIN_SECONDS, self._send_again, call.id)
        else:
            self._heard.discard(call.service)
            self._fail(call.id, UnknownService(call.service))

    def _may_come_back(self, call: Call) -> bool:
        call.missed = call.missed or time.monotonic()
        long_missed = time.monotonic() - call.missed > _LOOK_FOR_SECONDS
        return call.service in self._heard and not long_missed

    def _send_again(self, correlation_id: str) -> None:
        call = self._pending.get(correlation_id)
        if call is None:
            return
        try:
            self._send(call)
        except ServiceError as error:
            self._fail(correlation_id, error)
