"""nameko's publisher without kombu's pools, where the bus is NATS.

For each message nameko (3.0.0rc11) has kombu (5.7) make a connection, look for it in two pools,
copy and declare exchange and queue, and wrap the call in retries: a quarter of a millisecond,
which over NATS does nothing. ``chassis.rpc`` and ``chassis.container`` use this one instead.
"""

from types import SimpleNamespace
from typing import Any

from nameko.amqp import publish

from chassis.bus.bodies import encode
from chassis.bus.channel import Channel
from chassis.bus.queues import bus
from chassis.nats.servers import SCHEMES


class Publisher(publish.Publisher):
    """Publish as nameko's own publisher does; over anything but NATS, it is nameko's own."""

    _channel: Channel | None = None

    def publish(self, payload: Any, **kwargs: Any) -> None:
        """Publish a message; raise Unavailable while NATS is away."""
        if not self.amqp_uri.startswith(SCHEMES):
            super().publish(payload, **kwargs)
            return
        options = {**self.publish_kwargs, **kwargs}
        serializer = options.get("serializer") or self.serializer or "json"
        content_type, content_encoding, body = encode(payload, serializer)
        headers = {
            **self.publish_kwargs.get("headers", {}),
            **kwargs.get("headers", {}),
            **kwargs.get("extra_headers", {}),
        }
        channel = self._ready_channel()
        message = channel.prepare_message(
            body,
            content_type=content_type,
            content_encoding=content_encoding,
            headers=headers,
            properties=options,
        )
        exchange = options.get("exchange")
        channel.basic_publish(
            message,
            exchange=getattr(exchange, "name", exchange) or "",
            routing_key=options.get("routing_key", ""),
            mandatory=bool(options.get("mandatory", self.mandatory)),
        )

    def _ready_channel(self) -> Channel:
        """Return the channel on which the queues for the replies are declared."""
        if self._channel is None:
            channel = Channel(SimpleNamespace(bus=bus(self.amqp_uri)))
            for queue in self.declare:
                # Where a ReplyListener of ours takes the replies, no queue shall take them too.
                taken = channel.bus.reply_addresses
                if getattr(queue, "routing_key", None) and queue.routing_key not in taken:
                    channel.queue_bind(queue.name, queue.exchange.name, queue.routing_key)
            self._channel = channel
        return self._channel
