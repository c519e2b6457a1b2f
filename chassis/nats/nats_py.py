"""nats-py's client, with what it lacks: see chassis.nats.jetstream."""

import asyncio
import ssl
from typing import Any

from nats.aio import client, transport

from chassis.nats.servers import NoTls
from chassis.tls import Tls

_CLOSE_SECONDS = 0.5


class Transport(transport.TcpTransport):
    """nats-py's (2.16), which waits for ever after TLS has failed, and long for a frozen server."""

    def __bool__(self) -> bool:
        return True  # or the client takes one of its own instead

    async def wait_closed(self) -> None:
        """Wait for the end, but not for long."""
        try:
            closing = super().wait_closed()  # type: ignore[no-untyped-call]
            await asyncio.wait_for(closing, _CLOSE_SECONDS)
        except TimeoutError:
            if self._io_writer is not None:
                self._io_writer.transport.abort()


class Client(client.Client):
    """nats-py's client (2.16), which by itself says its password to whoever offers no TLS."""

    def __init__(self, tls: Tls | None) -> None:
        super().__init__()
        self._tls = tls
        self._transport = Transport()  # type: ignore[no-untyped-call]

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Return the context for a new connection."""
        return self._tls.context() if self._tls else super().ssl_context

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if initial_connection and self._tls and not info.get("tls_required"):
            raise NoTls
        await super()._process_info(info, initial_connection)
