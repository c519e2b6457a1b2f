"""NATS as kombu sees it."""

from typing import Any

from amqp.exceptions import ChannelError
from kombu.transport import base
from kombu.utils.url import maybe_sanitize_url

from chassis.bus.channel import Channel
from chassis.bus.queues import bus


class Transport(base.Transport):
    """NATS as kombu sees it. It is its own connection: the real one is the process's."""

    can_parse_url = True
    driver_type = "nats"
    driver_name = "nats"
    connection_errors = (ConnectionError,)
    channel_errors = (ChannelError,)
    implements = base.Transport.implements.extend(
        exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)  # type: ignore[no-untyped-call]
        self.bus = bus(client.hostname)
        self._channels: list[Channel] = []

    def establish_connection(self) -> "Transport":
        """Return at once: NATS is connected in the background, for as long as it takes."""
        return self

    def close_connection(self, connection: "Transport") -> None:
        """Close the channels; the process keeps its connection."""
        while self._channels:
            self._channels.pop().close()

    def create_channel(self, connection: "Transport") -> Channel:
        """Make a channel."""
        channel = Channel(self)
        self._channels.append(channel)
        return channel

    def drain_events(
        self, connection: "Transport", timeout: float | None = None, **kwargs: Any
    ) -> None:
        """Hand out one message of the channel that consumes."""
        consuming = [channel for channel in self._channels if channel.consumes]
        if not consuming:
            raise TimeoutError
        consuming[0].drain(timeout)

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the address, without passwords."""
        return ",".join(maybe_sanitize_url(server) for server in uri.split(","))
