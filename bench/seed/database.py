"""The databases of a system of our own."""

from functools import partial

from bench.seed.collection import Execute
from embedded import servers
from embedded.postgres import PostgresServer
from embedded.settings import Settings


def executor(settings: Settings, service: str) -> Execute:
    """Return what runs a statement in a service's database."""
    (server,) = (
        server for server, _ in servers.wanted(settings) if isinstance(server, PostgresServer)
    )
    return partial(server.execute, database=service)
