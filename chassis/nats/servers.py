"""Where NATS is, who we are there, how we know it, and what to say when it does not let us in."""

import asyncio
import logging
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import nats.errors
from nameko.exceptions import ConfigurationError
from nats.aio import client, transport

from chassis.tls import Tls, reason

log = logging.getLogger(__name__)

SCHEMES = ("nats://", "tls://")
_CLOSE_SECONDS = 0.5
_DENIED_TOLD = 20


@dataclass(frozen=True)
class Servers:
    """The servers of one cluster, and our user on all of them."""

    addresses: list[str]
    tls: Tls | None
    credentials: dict[str, Any] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "Servers":
        """Read ``nats://user:password@a:4222,nats://user:password@b:4222``.

        The user of the first holds for all, also for those that the servers tell us of. TLS is
        demanded where an address begins with ``tls://``, or where a file for it is configured.
        Raises ConfigurationError.
        """
        servers = [urlsplit(server.strip()) for server in url.split(",") if server.strip()]
        if not servers:
            raise ConfigurationError("the address of NATS is empty (NATS_URL, AMQP_URI)")
        tls = Tls("NATS_TLS_CA_FILE", "NATS_TLS_CERT_FILE", "NATS_TLS_KEY_FILE")
        wanted = tls or any(server.scheme == "tls" for server in servers)
        addresses = [f"{server.scheme}://{server.netloc.rpartition('@')[2]}" for server in servers]
        return cls(addresses, tls if wanted else None, _credentials(servers[0]))

    @property
    def user(self) -> str:
        """Return the name of our user, or nothing."""
        return self.credentials.get("user", "")

    def complaint(self, error: BaseException) -> str:
        """Say in a line what is wrong, for whoever can mend it."""
        if "authorization violation" in str(error).lower():
            who = f"the user {self.user}" if self.user else "a client without a user"
            return f"NATS refused {who} (authorization violation); see NATS_URL and AMQP_URI"
        if isinstance(error, ssl.SSLError | NoTls):
            return f"no TLS with NATS ({reason(error)}); see NATS_TLS_CA_FILE and its like"
        hung_up = isinstance(error, BrokenPipeError | ConnectionResetError)
        if hung_up and self.tls and not self.tls.shows_certificate:
            # What it says to that, it may say too late for us to hear.
            return f"no TLS with NATS ({error}): does it want a NATS_TLS_CERT_FILE?"
        return f"NATS is away ({error or type(error).__name__})"


def _credentials(server: SplitResult) -> dict[str, Any]:
    if server.username and server.password is None:
        return {"token": unquote(server.username)}
    if server.username:
        return {"user": unquote(server.username), "password": unquote(server.password or "")}
    return {}


class Record:
    """What the log is told of the servers: once, and not for every try and server."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._complaints: set[str] = set()  # of this outage
        self._denied: set[str] = set()

    def note(self, error: Exception, connected: bool) -> None:
        """Tell what is wrong; while we are connected, that is what we are not allowed to do."""
        complaint = self._servers.complaint(error)
        kind = complaint.partition("(")[0]
        if connected:
            self._deny(str(error))
        elif kind not in self._complaints:
            self._complaints.add(kind)
            log.warning("%s; trying again until it is there", complaint)

    def _deny(self, what: str) -> None:
        if what not in self._denied and len(self._denied) < _DENIED_TOLD:
            self._denied.add(what)
            log.warning("NATS to the user %r: %s", self._servers.user, what)

    def over(self) -> None:
        """Tell that all is well again."""
        if self._complaints:
            log.info("NATS is back")
        self._complaints.clear()


class NoTls(nats.errors.Error):
    """The server speaks plain text to one who is to know it by its certificate."""

    def __str__(self) -> str:
        return "the server offers none"


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
