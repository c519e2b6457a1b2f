"""The calls that this process has under way over NATS, and the answer that each is sure to get."""

import time
from collections.abc import Callable
from typing import Any

from eventlet import hubs
from nameko.exceptions import UnknownService

from chassis import nats
from chassis.errors import Unavailable

_NO_RESPONDERS = "503"

Answer = Callable[[str, str, Exception], None]


class Calls:
    """Watch each request until its reply, its deadline, or NATS's word that nobody listens.

    ``answer(reply_to, correlation_id, error)`` is called for a request that gets no reply.
    """

    def __init__(self, connection: nats.Connection, answer: Answer) -> None:
        self._connection = connection
        self._answer = answer
        self._pending: dict[str, tuple[str, str, Any]] = {}
        self._returns = ""

    def begin(self, reply_to: str, correlation_id: str, service: str, deadline: float) -> str:
        """Start to watch; return the subject on which NATS may say that nobody listens.

        ``deadline`` is in Unix seconds.
        """
        if not self._returns:
            self._returns = self._connection.new_inbox()
            self._connection.subscribe(f"{self._returns}.*", self._on_return)
        timer = hubs.get_hub().schedule_call_global(
            max(0.0, deadline - time.time()), self._expire, correlation_id
        )
        self._pending[correlation_id] = (reply_to, service, timer)
        return f"{self._returns}.{correlation_id}"

    def finished(self, correlation_id: str) -> None:
        """Stop watching: the reply is there."""
        pending = self._pending.pop(correlation_id, None)
        if pending is not None:
            pending[2].cancel()

    def _expire(self, correlation_id: str) -> None:
        pending = self._pending.pop(correlation_id, None)
        if pending is not None:
            reply_to, service, _ = pending
            error = Unavailable("peer_timed_out", f"{service} did not answer in time; try again.")
            self._answer(reply_to, correlation_id, error)

    def _on_return(self, message: Any) -> None:
        if (message.headers or {}).get("Status") != _NO_RESPONDERS:
            return
        correlation_id = message.subject.rpartition(".")[2]
        pending = self._pending.pop(correlation_id, None)
        if pending is not None:
            reply_to, service, timer = pending
            timer.cancel()
            self._answer(reply_to, correlation_id, UnknownService(service))
