"""The NATS connections of this process: one for the bus, and one for the streams.

``connection()`` is core NATS and our own, since every call goes over it; ``streams()`` is nats-py,
which knows JetStream, and which is imported where there are streams.
"""

import logging
from typing import TYPE_CHECKING, Any

from eventlet import hubs

from chassis import config
from chassis.errors import Unavailable
from chassis.nats.client import MAX_PAYLOAD_BYTES, Client, Subscription
from chassis.nats.protocol import NO_RESPONDERS, Message
from chassis.nats.servers import SCHEMES, Servers

if TYPE_CHECKING:
    from chassis.nats.jetstream import Connection

__all__ = ["MAX_PAYLOAD_BYTES", "NO_RESPONDERS", "Client", "Message", "Subscription"]

log = logging.getLogger(__name__)

# By the hub, and so by the native thread that they live in.
_clients: dict[tuple[int, str], Client] = {}
_connections: dict[tuple[int, str], "Connection"] = {}


def connection(url: str) -> Client:
    """Return this process's connection to these servers (``nats://a:4222,nats://b:4222``)."""
    key = (id(hubs.get_hub()), url)
    if key not in _clients:
        _clients[key] = Client(url, _forget)
    return _clients[key]


def streams() -> "Connection":
    """Return the connection to the servers that hold the streams (``NATS_URL``)."""
    from chassis.nats.jetstream import Connection

    key = (id(hubs.get_hub()), config.text("NATS_URL"))
    if key not in _connections:
        _connections[key] = Connection(key[1], _forget)
    return _connections[key]


def _all() -> list[Any]:
    return [*_clients.values(), *_connections.values()]


def _forget(closed: Any) -> None:
    kept: Any
    for kept in (_clients, _connections):
        for key in [key for key, value in kept.items() if value is closed]:
            del kept[key]


def check_settings() -> None:
    """Read what config.yaml says of NATS; raise ConfigurationError."""
    for key in ("AMQP_URI", "NATS_URL"):
        url = str(config.optional(key, ""))
        if url.startswith(SCHEMES):
            Servers.parse(url)


def flush(seconds: float) -> None:
    """Wait until the servers have all that this process has sent, for so long at most."""
    for each in _all():
        try:
            each.flush(seconds)
        except Unavailable:
            log.debug("NATS is away: what was on its way is lost")


def connected() -> bool:
    """Say whether every connection of this process is there."""
    return all(each.connected for each in _all())


def reconnections() -> int:
    """Return how often connections of this process were lost and made again."""
    return sum(max(0, each.reconnections) for each in _all())


def check() -> None:
    """Raise Unavailable while a connection of this process is away."""
    if not connected():
        raise Unavailable("bus_unavailable", "The message bus is away; try again.")
