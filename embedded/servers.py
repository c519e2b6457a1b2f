"""Which servers the configuration wants from this machine: those whose address it has not moved."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from embedded.claims import Claim
from embedded.nats import NatsServer
from embedded.ports import LOOPBACK
from embedded.postgres import PostgresServer
from embedded.roles import Database
from embedded.server import Server
from embedded.settings import Settings
from embedded.valkey import ValkeyServer

POSTGRES_PORT = "EMBEDDED.POSTGRES_PORT"
NATS_PORT = "EMBEDDED.NATS_PORT"
VALKEY_PORT = "EMBEDDED.VALKEY_PORT"


def wanted(settings: Settings) -> list[tuple[Server, Claim]]:
    """Return each server to start, with the port that it claims."""
    return [
        (server, Claim(server.name, LOOPBACK, server.port, key))
        for server, key in _wanted(settings)
    ]


def databases(settings: Settings) -> list[Database]:
    """Return the databases that are meant to be on this machine's PostgreSQL."""
    port = settings.port(POSTGRES_PORT)
    uris = settings.get("DB_URIS").items()
    return [_database(settings, key, uri) for key, uri in uris if _is_here(uri, port)]


def _database(settings: Settings, key: str, uri: str) -> Database:
    parts = urlsplit(uri)
    name = parts.path.strip("/")
    owner = urlsplit(settings.get("DB_OWNER_URIS")[key]).username
    return Database(name, service=parts.username or name, owner=owner or name)


def _wanted(settings: Settings) -> Iterator[tuple[Server, str]]:
    data = settings.data.absolute()
    buses = f"{settings.get('AMQP_URI')},{settings.get('NATS_URL')}".split(",")
    port = settings.port(NATS_PORT)
    if any(_is_here(address, port) for address in buses):
        yield NatsServer(data / "nats", port), NATS_PORT
    port = settings.port(VALKEY_PORT)
    if _is_here(settings.get("REDIS_URL"), port):
        yield ValkeyServer(data / "valkey", port), VALKEY_PORT
    if databases(settings):
        port = settings.port(POSTGRES_PORT)
        yield PostgresServer(data / "postgres", port), POSTGRES_PORT


def _is_here(address: str, port: int) -> bool:
    parts = urlsplit(address.strip())
    return parts.hostname in (LOOPBACK, "localhost") and parts.port == port
