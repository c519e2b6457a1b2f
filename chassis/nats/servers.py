"""Where NATS is, who we are there, how we know it, and what to say when it does not let us in."""

import logging
import random
import ssl
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from eventlet import hubs
from nameko.exceptions import ConfigurationError

from chassis.tls import Tls, reason

log = logging.getLogger(__name__)

SCHEMES = ("nats://", "tls://")
_DEFAULT_PORT = 4222
_DENIED_TOLD = 20
# Who is back so soon, or ends for another reason, has nothing to tell.
_PATIENCE_SECONDS = 0.5

_records: dict[tuple[int, str], "Record"] = {}  # by the hub, and so by the native thread


@dataclass(frozen=True)
class Server:
    """One of them; its certificate is to have this name."""

    host: str
    port: int
    name: str


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

    def known(self) -> list[Server]:
        """Return those that we were told of at the start."""
        return [_server(address.partition("://")[2]) for address in self.addresses]

    @property
    def connect_options(self) -> dict[str, str]:
        """Return what we say of ourselves to get in."""
        names = {"user": "user", "password": "pass", "token": "auth_token"}
        return {names[key]: value for key, value in self.credentials.items()}

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


class Pool:
    """Which server is next: each in its turn, also those that the others tell us of."""

    def __init__(self, known: list[Server]) -> None:
        self._servers = random.sample(known, len(known))
        self._turns = 0

    def __len__(self) -> int:
        return len(self._servers)

    def next(self) -> Server:
        """Return the one whose turn it is."""
        server = self._servers[self._turns % len(self._servers)]
        self._turns += 1
        return server

    def learn(self, addresses: list[str], teller: Server) -> None:
        """Add servers that one of the cluster knows; an IP address has no certificate."""
        known = {(server.host, server.port) for server in self._servers}
        for address in addresses:
            server = _server(address)
            if (server.host, server.port) not in known:
                name = teller.name if _is_ip(server.host) else server.name
                self._servers.append(replace(server, name=name))


def _server(address: str) -> Server:
    parts = urlsplit(f"//{address}")
    host = parts.hostname or "127.0.0.1"
    return Server(host, parts.port or _DEFAULT_PORT, host)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _credentials(server: SplitResult) -> dict[str, Any]:
    if server.username and server.password is None:
        return {"token": unquote(server.username)}
    if server.username:
        return {"user": unquote(server.username), "password": unquote(server.password or "")}
    return {}


class Record:
    """What the log is told of the servers: once, and not for every try, server and connection."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._complaints: set[str] = set()  # of this outage
        self._told = False
        self._denied: set[str] = set()

    @classmethod
    def of(cls, url: str, servers: Servers) -> "Record":
        """Return the one that all connections to these servers share."""
        return _records.setdefault((id(hubs.get_hub()), url), cls(servers))

    def note(self, error: Exception, connected: bool) -> None:
        """Tell what is wrong; while we are connected, that is what we are not allowed to do."""
        complaint = self._servers.complaint(error)
        kind = complaint.partition("(")[0]
        if connected:
            self._deny(str(error))
        elif kind not in self._complaints:
            self._complaints.add(kind)
            hubs.get_hub().schedule_call_global(_PATIENCE_SECONDS, self._tell, kind, complaint)

    def _tell(self, kind: str, complaint: str) -> None:
        if kind in self._complaints:
            self._told = True
            log.warning("%s; trying again until it is there", complaint)

    def _deny(self, what: str) -> None:
        if what not in self._denied and len(self._denied) < _DENIED_TOLD:
            self._denied.add(what)
            log.warning("NATS to the user %r: %s", self._servers.user, what)

    def over(self) -> None:
        """Tell that all is well again."""
        if self._told:
            log.info("NATS is back")
        self._told = False
        self._complaints.clear()


class NoTls(ConnectionError):
    """The server speaks plain text to one who is to know it by its certificate."""

    def __str__(self) -> str:
        return "the server offers none"
