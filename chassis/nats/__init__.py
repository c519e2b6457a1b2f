"""The NATS connections of this process: one for the bus, and one for the streams.

Where both have the same address, they are one.
"""

import logging

from eventlet import hubs

from chassis import config
from chassis.errors import Unavailable
from chassis.nats.client import MAX_PAYLOAD_BYTES, Client, Subscription
from chassis.nats.protocol import NO_RESPONDERS, Message
from chassis.nats.servers import SCHEMES, Servers

__all__ = ["MAX_PAYLOAD_BYTES", "NO_RESPONDERS", "Client", "Message", "Subscription"]

log = logging.getLogger(__name__)

# By the hub, and so by the native thread that they live in.
_clients: dict[tuple[int, str], Client] = {}


def connection(url: str) -> Client:
    """Return this process's connection to these servers (``nats://a:4222,nats://b:4222``)."""
    key = (id(hubs.get_hub()), url)
    if key not in _clients:
        _clients[key] = Client(url, _forget)
    return _clients[key]


def streams() -> Client:
    """Return the connection to the servers that hold the streams (``NATS_URL``)."""
    return connection(config.text("NATS_URL"))


def _forget(closed: Client) -> None:
    for key in [key for key, value in _clients.items() if value is closed]:
        del _clients[key]


def check_settings() -> None:
    """Read what config.yaml says of NATS; raise ConfigurationError."""
    for key in ("AMQP_URI", "NATS_URL"):
        url = str(config.optional(key, ""))
        if url.startswith(SCHEMES):
            Servers.parse(url)


def flush(seconds: float) -> None:
    """Wait until the servers have all that this process has sent, for so long at most."""
    for each in list(_clients.values()):
        try:
            each.flush(seconds)
        except Unavailable:
            log.debug("NATS is away: what was on its way is lost")


def connected() -> bool:
    """Say whether every connection of this process is there."""
    return all(each.connected for each in list(_clients.values()))


def reconnections() -> int:
    """Return how often connections of this process were lost and made again."""
    return sum(max(0, each.reconnections) for each in list(_clients.values()))


def check() -> None:
    """Raise Unavailable while a connection of this process is away."""
    if not connected():
        raise Unavailable("bus_unavailable", "The message bus is away; try again.")
