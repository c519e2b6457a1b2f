"""A service starts while what it needs is missing: it says so once, waits, and serves by itself.

Each fault is made with the real server and mended while the service, a process, goes on.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests
from nameko.cli.utils.config import load_config
from psycopg2 import sql

from embedded import ports
from embedded.nats import NatsServer
from embedded.postgres import PostgresServer
from embedded.roles import Database
from embedded.valkey import ValkeyServer
from tests.integration import service_database
from tests.processes import ROOT, ServiceProcess, until

SECRET = "hush4711"
HEAL_SECONDS = 10.0
QUIET_SECONDS = 1.2  # probes come all the time, and so do tries
Start = Callable[..., "Service"]


class Service:
    """One of our services as a process, and what it says of itself."""

    def __init__(self, name: str, folder: Path, **settings: Any) -> None:
        self.port = ports.free_port()
        config = load_config((ROOT / "config.yaml").read_text()) | {
            "HTTP_PORTS": {name: self.port},
            "METRICS_PORTS": {},
            "GRPC_BIND_PORT": ports.free_port(),
            "DEV_IDENTITY_PROVIDER_PORT": ports.free_port(),
        }
        self.process = ServiceProcess(
            f"{name}.service",
            config=config | settings,
            folder=folder,
            env={"PYTHONWARNINGS": "ignore:::nameko.extensions"},  # as in the containers
        )

    def get(self, page: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}/health/{page}", timeout=10)

    def ready(self) -> bool:
        return self.get("ready").status_code == 200

    def said(self, pattern: str = "") -> list[str]:
        """Return the lines of the log, as people read them, in which something is found."""
        lines = [json.loads(line) for line in self.process.log.read_text().splitlines()]
        told = [f"{line['level']}: {line['message']}" for line in lines]
        return [line for line in told if re.search(pattern, line, re.IGNORECASE)]

    def waits_for(self, roles: list[str], *patterns: str) -> None:
        """Check that it lives, is not ready, and says what is missing: once, however often asked.

        ``patterns`` are all the warnings so far, in any order.
        """
        until(lambda: self.get("ready").json().get("waiting_for") == roles)
        until(lambda: all(map(self.said, patterns)))
        began = time.monotonic()
        until(
            lambda: (
                self.get("ready").status_code == 503 and time.monotonic() - began > QUIET_SECONDS
            )
        )
        assert self.get("live").status_code == 200
        warnings = self.said("^warning")
        assert len(warnings) == len(patterns), warnings
        for pattern in patterns:
            assert len(self.said(f"^warning.*{pattern}")) == 1, warnings

    def serves(self) -> None:
        """Check that it becomes ready by itself, soon, and has kept its secrets."""
        began = time.monotonic()
        until(self.ready)
        assert time.monotonic() - began < HEAL_SECONDS
        assert not self.said("^error")
        assert SECRET not in self.process.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start services; in the end they stop as they should, whatever has become of them."""
    started: list[Service] = []

    def start(name: str, **settings: Any) -> Service:
        started.append(Service(name, tmp_path, **settings))
        started[-1].process.start()
        return started[-1]

    yield start
    for service in started:
        assert service.process.stop() == 0


@pytest.fixture
def own_postgres(server_folder: Path) -> Iterator[PostgresServer]:
    """Return a PostgreSQL of this test's own, not started."""
    server = PostgresServer(server_folder / "postgres-with-passwords", ports.free_port())
    yield server
    server.stop()


class GuardedNats(NatsServer):
    """A NATS that asks for a password."""

    password = ""

    def prepare(self) -> None:
        super().prepare()
        with (self.folder / "nats.conf").open("a") as file:
            file.write(f"authorization {{ user: service, password: {self.password} }}\n")


@pytest.fixture
def own_nats(server_folder: Path) -> Iterator[GuardedNats]:
    server = GuardedNats(server_folder / "nats-with-passwords", ports.free_port())
    yield server
    server.stop()


@pytest.fixture
def own_valkey(server_folder: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(server_folder / "valkey-with-passwords", ports.free_port())
    yield server
    server.stop()


def test_database_silent_locked_missing_empty_and_then_there(
    start: Start, own_postgres: PostgresServer, nats_url: str
) -> None:
    server, name = own_postgres, "social_graph_svc"
    address = f"127.0.0.1:{server.port}"
    uri = f"postgresql://{name}:{SECRET}@{address}/{name}"
    with socket.create_server(("127.0.0.1", server.port)):
        service = start(name, AMQP_URI=nats_url, NATS_URL=nats_url, DB_URIS={f"{name}:Base": uri})
        silent = f"database {name} at {address}, as user {name}: no answer"
        until(lambda: service.said(silent))  # though nobody asks
        service.waits_for(["database"], silent)

    server.prepare()
    access = server.folder / "data/pg_hba.conf"
    access.write_text(f"host all {name} 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
    server.start()
    role = sql.Identifier(name)
    server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'other'").format(role))
    locked = f'password authentication failed for user "{name}"'
    service.waits_for(["database"], silent, locked)

    server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(SECRET)))
    missing = f'database "{name}" does not exist'
    service.waits_for(["database"], silent, locked, missing)

    database = Database.of(name)
    server.ensure_database(database)
    empty = "migrations are not applied: .*outbox"
    service.waits_for(["database"], silent, locked, missing, empty)

    service_database.alembic(name, "upgrade", "head", uri=server.uri(name, database.owner))
    service.serves()
    until(lambda: service.said("^info: no longer waiting for the database"))

    server.stop()
    until(lambda: not service.ready())
    server.start()
    service.serves()
    until(lambda: len(service.said("^info: no longer waiting for the database")) == 2)


def test_nats_refuses_the_password_and_then_takes_it(
    start: Start, own_nats: GuardedNats, postgres: PostgresServer
) -> None:
    own_nats.password = "other"
    own_nats.start()
    url = f"nats://service:{SECRET}@127.0.0.1:{own_nats.port}"
    with service_database.migrated(postgres, "user_svc", "user_start_up") as engine:
        uri = engine.url.render_as_string(hide_password=False)
        service = start("user_svc", AMQP_URI=url, NATS_URL=url, DB_URIS={"user_svc:Base": uri})
        service.waits_for(["NATS"], "NATS.*authorization")

        own_nats.stop()
        own_nats.password = SECRET
        own_nats.start()
        service.serves()
        until(lambda: service.said("NATS is back"))
        assert service.process.stop() == 0


def test_nats_and_valkey_away_and_valkey_refuses_the_password(
    start: Start, own_nats: GuardedNats, own_valkey: ValkeyServer
) -> None:
    own_nats.password = SECRET
    nats_url = f"nats://service:{SECRET}@127.0.0.1:{own_nats.port}"
    valkey_url = f"redis://:{SECRET}@127.0.0.1:{own_valkey.port}/0"
    service = start("news_svc", AMQP_URI=nats_url, NATS_URL=nats_url, REDIS_URL=valkey_url)
    no_nats, no_valkey = "NATS is away", f"Valkey at 127.0.0.1:{own_valkey.port}: .*connecting"
    service.waits_for(["NATS", "Valkey"], no_nats, no_valkey)

    own_nats.start()
    own_valkey.start()
    with redis.Redis(port=own_valkey.port) as admin:
        admin.config_set("requirepass", "other")
        locked = "Valkey.*password"
        service.waits_for(["Valkey"], no_nats, no_valkey, locked)

        admin.auth("other")
        admin.config_set("requirepass", SECRET)
        service.serves()
    until(lambda: service.said("^info: no longer waiting for Valkey"))


def test_service_that_waits_for_rabbitmq_can_be_stopped(start: Start) -> None:
    """nameko's own start waits for that broker, and so does not come to an end by itself."""
    service = start("user_svc", AMQP_URI=f"amqp://127.0.0.1:{ports.free_port()}")
    until(lambda: service.said("connecting to broker"))
    assert service.get("live").status_code == 200
    assert service.process.stop() == 0


# A value of the environment cannot be mended in a process that runs: it ends, and whatever
# started it (Kubernetes, Docker, systemd) starts it again, with back-off.
MISSING = {
    "SESSION_SECRET": ("gateway", {"SESSION_SECRET": ""}),
    "OAUTH_CLIENT_ID": ("gateway", {"OAUTH_CLIENT_ID": ""}),
    "OAUTH_CLIENT_SECRET": ("gateway", {"OAUTH_CLIENT_SECRET": ""}),
    "DB_URIS.link_svc:Base": ("link_svc", {"DB_URIS": {"link_svc:Base": ""}}),
    "REDIS_URL": ("news_svc", {"REDIS_URL": ""}),
}
CREDENTIALS = {"SESSION_SECRET": SECRET, "OAUTH_CLIENT_ID": "ours", "OAUTH_CLIENT_SECRET": SECRET}


@pytest.mark.parametrize("key", MISSING)
def test_secret_that_is_missing_in_production_ends_the_start_in_one_line(
    key: str, tmp_path: Path
) -> None:
    name, settings = MISSING[key]
    given = {"ENVIRONMENT": "production"} | CREDENTIALS | settings
    process = Service(name, tmp_path, **given).process.start()
    try:
        assert process.wait(60) == 1
        line, end = process.log.read_text().splitlines()
        assert re.match(rf"Error: {key} (and OIDC_CLIENT_ID are|is) empty", line)
        assert end == "Aborted!"  # nameko's last word
        assert SECRET not in line
    finally:
        process.stop()
