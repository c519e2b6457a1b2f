"""The NATS connections of this process.

``nats_connection``, ``streams`` and ``stream_reads`` know nats-py; the others know this.
"""

import logging

from chassis import config, green_asyncio
from chassis.errors import Unavailable
from chassis.nats.connection import MAX_PAYLOAD_BYTES, Connection, Subscription
from chassis.nats.servers import SCHEMES, Servers

__all__ = ["MAX_PAYLOAD_BYTES", "Connection", "Subscription"]

log = logging.getLogger(__name__)

_connections: dict[tuple[int, str], Connection] = {}


def connection(url: str) -> Connection:
    """Return this process's connection to these servers (``nats://a:4222,nats://b:4222``)."""
    key = (id(green_asyncio.loop()), url)
    if key not in _connections:
        _connections[key] = Connection(url, _forget)
    return _connections[key]


def _forget(closed: Connection) -> None:
    for key in [key for key, value in _connections.items() if value is closed]:
        del _connections[key]


def check_settings() -> None:
    """Read what config.yaml says of NATS; raise ConfigurationError."""
    for key in ("AMQP_URI", "NATS_URL"):
        url = str(config.optional(key, ""))
        if url.startswith(SCHEMES):
            Servers.parse(url)


def flush(seconds: float) -> None:
    """Wait until the servers have all that this process has sent, for so long at most."""
    for each in list(_connections.values()):
        try:
            each.flush(seconds)
        except Unavailable:
            log.debug("NATS is away: what was on its way is lost")


def connected() -> bool:
    """Say whether every connection of this process is there."""
    return all(each.connected for each in _connections.values())


def reconnections() -> int:
    """Return how often connections of this process were lost and made again."""
    return sum(max(0, each.reconnections) for each in _connections.values())


def check() -> None:
    """Raise Unavailable while a connection of this process is away."""
    if not connected():
        raise Unavailable("bus_unavailable", "The message bus is away; try again.")


def streams() -> Connection:
    """Return the connection to the servers that hold the streams (``NATS_URL``)."""
    return connection(config.text("NATS_URL"))
