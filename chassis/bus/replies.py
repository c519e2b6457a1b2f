"""The caller's side of RPC without kombu in between, where the bus is NATS.

The same subjects, headers and bodies as by kombu's transport, with which it shares the bus: each
end may be either.
"""

import itertools
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from nameko import rpc
from nameko.exceptions import serialize

from chassis.arrival import Arrival
from chassis.bus.bodies import JSON, decode, encode
from chassis.bus.calls import Call
from chassis.bus.envelope import PREFIX, headers, properties_of, text
from chassis.bus.queues import Bus, bus
from chassis.bus.subjects import subject
from chassis.nats import Message
from chassis.nats.servers import SCHEMES

_ids = itertools.count()
_process = uuid.uuid4().hex


def new_id() -> str:
    """Return an id that no other call has."""
    return f"{_process}-{next(_ids)}"


class ReplyListener(rpc.ReplyListener):
    """nameko's, and over NATS one that takes replies as they come."""

    replies: "Replies | None" = None

    def setup(self) -> None:
        """Choose where replies arrive."""
        super().setup()
        if self.amqp_uri.startswith(SCHEMES):
            owner = self.container.service_name
            accept = self.consumer.accept
            self.replies = Replies(bus(self.amqp_uri), owner, self.routing_key, accept)

    def start(self) -> None:
        """Listen."""
        if self.replies is None:
            super().start()

    def stop(self) -> None:
        """Listen no more."""
        if self.replies is None:
            super().stop()
        else:
            self.replies.close()

    def register_for_reply(self, correlation_id: str) -> Callable[[], Any]:
        """Return the function that waits for this reply."""
        if self.replies is None:
            return super().register_for_reply(correlation_id)
        return self.replies.expect(correlation_id)


class Replies:
    """Where the replies to one service's calls arrive, and who waits for each."""

    def __init__(self, on: Bus, owner: str, key: str, accept: list[str]) -> None:
        self._bus = on
        self._accept = accept
        self._exchange = rpc.get_rpc_exchange().name
        # Under the name of the service, so that it alone can be granted to listen there.
        self._address = f"reply.{owner}.{key}"
        self._key = key
        self._waiting: dict[str, Arrival] = {}
        on.reply_addresses[key] = self._address
        on.failures[self._address] = self._fail
        self._subscription = on.connection.subscribe(
            subject(self._exchange, self._address), self._on_reply
        )

    def call(self, key: str, payload: dict[str, Any], context: dict[str, Any]) -> Any:
        """Call ``service.method`` and return its reply; ``context`` has the deadline.

        Raises Unavailable while NATS is away; any other failure is in the reply.
        """
        call_id = new_id()
        content_type, encoding, body = encode(payload)
        properties = {
            "content_type": content_type,
            "content_encoding": encoding,
            "correlation_id": call_id,
            "reply_to": self._address,
            "headers": {
                PREFIX + name: value for name, value in context.items() if value is not None
            },
        }
        publish = self._bus.connection.publish
        to = subject(self._exchange, key)
        send = partial(publish, to, body, headers=headers(properties))
        wait = self.expect(call_id)
        service = key.partition(".")[0]
        deadline = context["deadline"]
        try:
            self._bus.calls.make(Call(call_id, service, deadline, send, self._fail))
            return wait()
        finally:
            self._waiting.pop(call_id, None)

    def expect(self, correlation_id: str) -> Callable[[], Any]:
        """Return the function that waits for this reply."""
        waiting = self._waiting[correlation_id] = Arrival()

        def wait() -> Any:
            reply = waiting.wait()
            return self._read(reply) if isinstance(reply, tuple) else reply

        return wait

    def close(self) -> None:
        """Listen no more."""
        self._subscription.unsubscribe()
        self._bus.reply_addresses.pop(self._key, None)
        self._bus.failures.pop(self._address, None)

    def _read(self, reply: tuple[Message, dict[str, Any]]) -> Any:
        message, properties = reply
        kind = text(properties.get("content_type"), JSON)
        encoding = text(properties.get("content_encoding"), "utf-8")
        try:
            return decode(message.data, kind, encoding, self._accept)
        except Exception as error:
            return {"result": None, "error": serialize(error)}

    def _on_reply(self, message: Message) -> None:
        properties = properties_of(message)
        correlation_id = text(properties.get("correlation_id"))
        self._bus.calls.answered(correlation_id)
        waiting = self._waiting.pop(correlation_id, None)
        if waiting is not None:
            waiting.bring((message, properties))

    def _fail(self, correlation_id: str, error: Exception) -> None:
        waiting = self._waiting.pop(correlation_id, None)
        if waiting is not None:
            waiting.bring({"result": None, "error": serialize(error)})
