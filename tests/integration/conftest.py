"""Real neighbours: one PostgreSQL, NATS and Valkey for the whole run, started when first asked for.

A test that stops a server starts it again before it ends.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from nameko.cli.utils.config import load_config

from embedded import ports
from embedded.nats import NatsServer
from embedded.postgres import PostgresServer
from embedded.roles import Database
from embedded.server import Server
from embedded.valkey import ValkeyServer
from tests.processes import ROOT, ServiceProcess

DATABASES = ("link_svc", "social_graph_svc", "user_svc")


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """Return a folder for data; pytest's own is out of reach for PostgreSQL's user."""
    folder = Path(tempfile.mkdtemp(prefix="delinkcious-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


# The programs of another PostgreSQL than the wheel's: see docs/databases.md.
POSTGRES = os.environ.get("TEST_POSTGRES")
AnyServer = TypeVar("AnyServer", bound=Server)


def running(server: AnyServer) -> Iterator[AnyServer]:
    """Start a server, and stop it in the end, in whatever state a test has left it."""
    server.start()
    yield server
    server.stop()


def a_postgres(folder: Path) -> PostgresServer:
    """Return a PostgreSQL of the version that is to be tested, not started."""
    return PostgresServer(folder, ports.free_port(), programs=Path(POSTGRES) if POSTGRES else None)


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[PostgresServer]:
    """Return PostgreSQL with the services' databases, which are empty."""
    for server in running(a_postgres(server_folder / "postgres")):
        for name in DATABASES:
            server.ensure_database(Database.of(name))
        yield server


@pytest.fixture(scope="session")
def nats_server(server_folder: Path) -> Iterator[NatsServer]:
    """Return NATS with JetStream."""
    yield from running(NatsServer(server_folder / "nats", ports.free_port()))


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """Return where NATS listens."""
    return nats_server.url


@pytest.fixture(scope="session")
def valkey_server(server_folder: Path) -> Iterator[ValkeyServer]:
    """Return Valkey."""
    yield from running(ValkeyServer(server_folder / "valkey", ports.free_port()))


@pytest.fixture(scope="session")
def valkey_url(valkey_server: ValkeyServer) -> str:
    """Return where Valkey listens."""
    return valkey_server.url


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory, nats_url: str) -> Iterator[ServiceProcess]:
    """Start the services behind a gateway, which do no more than answer."""
    settings = load_config((ROOT / "config.yaml").read_text()) | {"AMQP_URI": nats_url}
    folder = tmp_path_factory.mktemp("peers")
    process = ServiceProcess("tests.integration.gateway_peers", config=settings, folder=folder)
    yield process.start()
    process.stop()
